"""Options of `barkclient voices` and its commands, and of `barkclient info`."""

from dataclasses import dataclass, field

from barkclient.cli.common import CommonArguments, option


@dataclass(frozen=True, kw_only=True)
class VoicesArguments(CommonArguments):
    """Command line of `barkclient voices` and `barkclient voices list`."""

    language: str = field(
        default="",
        metadata=option("only voices of this language: en", "--language", metavar="CODE"),
    )


@dataclass(frozen=True, kw_only=True)
class NamedVoiceArguments(CommonArguments):
    """Common options of the commands for one voice."""

    name: str = field(metadata=option("the voice's name", metavar="NAME"))


@dataclass(frozen=True, kw_only=True)
class ShowVoiceArguments(NamedVoiceArguments):
    """Command line of `barkclient voices show`."""

    save: str | None = field(
        default=None, metadata=option("save the voice's tokens", "--save", metavar="FILE.npz")
    )


@dataclass(frozen=True, kw_only=True)
class CreateVoiceArguments(NamedVoiceArguments):
    """Command line of `barkclient voices create`."""

    source: str = field(
        metadata=option(
            "an .npz file, handle:... from `say --keep-voice`, or another voice's name",
            metavar="SOURCE",
        )
    )
    language: str = field(
        default="",
        metadata=option("language of the voice: en, pt-BR", "--language", metavar="CODE"),
    )
    description: str = field(
        default="", metadata=option("description of the voice", "--description", metavar="TEXT")
    )
    replace: bool = field(
        default=False,
        metadata=option("replace a stored voice with that name", "--replace", action="store_true"),
    )


@dataclass(frozen=True, kw_only=True)
class DeleteVoiceArguments(NamedVoiceArguments):
    """Command line of `barkclient voices delete`."""


@dataclass(frozen=True, kw_only=True)
class InfoArguments(CommonArguments):
    """Command line of `barkclient info`."""
