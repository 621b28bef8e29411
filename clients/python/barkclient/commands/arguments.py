"""The command line as frozen dataclasses: one field an option, its flags and its help beside it."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, NoReturn, get_args

from barkclient.channel import DEFAULT_TARGET
from barkclient.options import Delivery, Encoding

SERVER_VARIABLE = "BARKCLIENT_SERVER"

_EXIT_CODES = """\
exit codes:
  0    done
  1    the server failed, or the output cannot be written
  2    the command line or the request is wrong
  3    the server cannot be reached
  4    the server is full: try again later
  5    the timeout passed
  130  interrupted
"""


def _option(help_text: str, *flags: str, **keywords: Any) -> dict[str, Any]:
    """A field's metadata; without flags it is a positional argument."""
    return {"flags": flags, "help": help_text, **keywords}


def seconds(text: str) -> float:
    """A timeout; argparse shows this function's name when it raises."""
    value = float(text)
    if not value > 0:
        raise ValueError
    return value


@dataclass(frozen=True, kw_only=True)
class CommonArguments:
    """What every command takes."""

    server: str = field(
        default=DEFAULT_TARGET,
        metadata=_option(
            f"the orchestrator (environment: {SERVER_VARIABLE})", "--server", metavar="HOST:PORT"
        ),
    )
    timeout: float | None = field(
        default=None,
        metadata=_option(
            "give up after so many seconds", "--timeout", type=seconds, metavar="SECONDS"
        ),
    )
    json: bool = field(
        default=False, metadata=_option("print one line of JSON", "--json", action="store_true")
    )


@dataclass(frozen=True, kw_only=True)
class VoicesArguments(CommonArguments):
    """`barkclient voices`"""


@dataclass(frozen=True, kw_only=True)
class SayArguments(CommonArguments):
    """`barkclient say`"""

    text: str = field(metadata=_option("what to say; - reads standard input", metavar="TEXT"))
    output: str = field(
        default="speech.wav",
        metadata=_option(
            "the WAV file to write; - is standard output", "-o", "--output", metavar="FILE"
        ),
    )
    voice: str | None = field(
        default=None,
        metadata=_option(
            "who speaks: a name, none, or an .npz file", "--voice", metavar="NAME|FILE.npz"
        ),
    )
    seed: int | None = field(
        default=None,
        metadata=_option("the same seed, the same audio", "--seed", type=int, metavar="N"),
    )
    greedy: bool = field(
        default=False,
        metadata=_option("take the most likely token always", "--greedy", action="store_true"),
    )
    delivery: Delivery = field(
        default="streaming",
        metadata=_option(
            "exact equals offline generation and starts later",
            "--delivery",
            choices=get_args(Delivery),
        ),
    )
    encoding: Encoding = field(
        default="pcm16",
        metadata=_option("how samples are written", "--encoding", choices=get_args(Encoding)),
    )
    save_voice: str | None = field(
        default=None,
        metadata=_option("keep the voice of this utterance", "--save-voice", metavar="FILE.npz"),
    )
    semantic_temperature: float | None = field(
        default=None,
        metadata=_option(
            "liveliness of the words", "--semantic-temperature", type=float, metavar="T"
        ),
    )
    coarse_temperature: float | None = field(
        default=None,
        metadata=_option(
            "liveliness of the timbre", "--coarse-temperature", type=float, metavar="T"
        ),
    )
    fine_temperature: float | None = field(
        default=None,
        metadata=_option("liveliness of the detail", "--fine-temperature", type=float, metavar="T"),
    )
    top_k: int | None = field(
        default=None,
        metadata=_option(
            "draw among the K likeliest tokens (semantic, coarse)",
            "--top-k",
            type=int,
            metavar="K",
        ),
    )
    top_p: float | None = field(
        default=None,
        metadata=_option(
            "draw among the likeliest tokens that sum to P (semantic, coarse)",
            "--top-p",
            type=float,
            metavar="P",
        ),
    )
    min_eos_p: float | None = field(
        default=None,
        metadata=_option(
            "stop when the end is at least this probable", "--min-eos-p", type=float, metavar="P"
        ),
    )
    quiet: bool = field(
        default=False,
        metadata=_option("no progress and no summary", "-q", "--quiet", action="store_true"),
    )


class _Parser(argparse.ArgumentParser):
    def __init__(self, **keywords: Any) -> None:
        look = argparse.RawDescriptionHelpFormatter
        super().__init__(formatter_class=look, epilog=_EXIT_CODES, **keywords)

    def error(self, message: str) -> NoReturn:
        """One line, not the usage and a line."""
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


_COMMANDS: Mapping[str, tuple[type[SayArguments] | type[VoicesArguments], str]] = {
    "say": (SayArguments, "Speak a text into a WAV file."),
    "voices": (VoicesArguments, "List the voices that can be named."),
}


def parse(
    arguments: Sequence[str], environment: Mapping[str, str]
) -> SayArguments | VoicesArguments:
    """The arguments of the command that was asked for."""
    parser = _Parser(prog="barkclient", description="Speaks through a barkserve server.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    server = environment.get(SERVER_VARIABLE)
    for name, (kind, summary) in _COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=summary)
        for option in fields(kind):
            _add(command, option.name, option.default, dict(option.metadata))
        if server:
            command.set_defaults(server=server)
    values = vars(parser.parse_args(arguments))
    kind, _ = _COMMANDS[values.pop("command")]
    return kind(**values)


def _add(
    command: argparse.ArgumentParser, name: str, default: Any, metadata: dict[str, Any]
) -> None:
    flags = metadata.pop("flags")
    text = metadata.pop("help")
    if default is MISSING:
        command.add_argument(name, help=text, **metadata)
        return
    if default is not None and default is not False:
        text += " (default: %(default)s)"
    command.add_argument(*flags, dest=name, default=default, help=text, **metadata)
