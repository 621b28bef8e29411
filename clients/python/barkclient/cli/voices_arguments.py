"""What `barkclient voices` and its own commands take."""

from dataclasses import dataclass, field

from barkclient.cli.common import CommonArguments, option


@dataclass(frozen=True, kw_only=True)
class VoicesArguments(CommonArguments):
    """`barkclient voices` and `barkclient voices list`"""

    language: str = field(
        default="", metadata=option("only those of a language: en", "--language", metavar="CODE")
    )


@dataclass(frozen=True, kw_only=True)
class NamedVoiceArguments(CommonArguments):
    """What is about one voice."""

    name: str = field(metadata=option("the voice's name", metavar="NAME"))


@dataclass(frozen=True, kw_only=True)
class ShowVoiceArguments(NamedVoiceArguments):
    """`barkclient voices show`"""

    save: str | None = field(
        default=None, metadata=option("save its tokens", "--save", metavar="FILE.npz")
    )


@dataclass(frozen=True, kw_only=True)
class CreateVoiceArguments(NamedVoiceArguments):
    """`barkclient voices create`"""

    source: str = field(
        metadata=option(
            "what it is made from: an .npz file, handle:... of `say --keep-voice`, or a voice's"
            " name",
            metavar="SOURCE",
        )
    )
    language: str = field(
        default="", metadata=option("its language: en, pt-BR", "--language", metavar="CODE")
    )
    description: str = field(
        default="", metadata=option("what it is, in words", "--description", metavar="TEXT")
    )
    replace: bool = field(
        default=False,
        metadata=option("replace a stored voice of that name", "--replace", action="store_true"),
    )


@dataclass(frozen=True, kw_only=True)
class DeleteVoiceArguments(NamedVoiceArguments):
    """`barkclient voices delete`"""


@dataclass(frozen=True, kw_only=True)
class InfoArguments(CommonArguments):
    """`barkclient info`"""
