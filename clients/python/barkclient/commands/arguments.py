"""The command line as frozen dataclasses: one field an option, its flags and its help beside it."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, NoReturn, get_args

from barkclient.commands.bench_arguments import BenchArguments
from barkclient.commands.common import SERVER_VARIABLE, CommonArguments, option
from barkclient.options import Delivery, Encoding

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


@dataclass(frozen=True, kw_only=True)
class VoicesArguments(CommonArguments):
    """`barkclient voices`"""


@dataclass(frozen=True, kw_only=True)
class SayArguments(CommonArguments):
    """`barkclient say`"""

    text: str = field(metadata=option("what to say; - reads standard input", metavar="TEXT"))
    output: str = field(
        default="speech.wav",
        metadata=option(
            "the WAV file to write; - is standard output", "-o", "--output", metavar="FILE"
        ),
    )
    voice: str | None = field(
        default=None,
        metadata=option(
            "who speaks: a name, none, or an .npz file", "--voice", metavar="NAME|FILE.npz"
        ),
    )
    seed: int | None = field(
        default=None,
        metadata=option("the same seed, the same audio", "--seed", type=int, metavar="N"),
    )
    greedy: bool = field(
        default=False,
        metadata=option("take the most likely token always", "--greedy", action="store_true"),
    )
    delivery: Delivery = field(
        default="streaming",
        metadata=option(
            "exact equals offline generation and starts later",
            "--delivery",
            choices=get_args(Delivery),
        ),
    )
    encoding: Encoding = field(
        default="pcm16",
        metadata=option("how samples are written", "--encoding", choices=get_args(Encoding)),
    )
    save_voice: str | None = field(
        default=None,
        metadata=option("keep the voice of this utterance", "--save-voice", metavar="FILE.npz"),
    )
    semantic_temperature: float | None = field(
        default=None,
        metadata=option(
            "liveliness of the words", "--semantic-temperature", type=float, metavar="T"
        ),
    )
    coarse_temperature: float | None = field(
        default=None,
        metadata=option(
            "liveliness of the timbre", "--coarse-temperature", type=float, metavar="T"
        ),
    )
    fine_temperature: float | None = field(
        default=None,
        metadata=option("liveliness of the detail", "--fine-temperature", type=float, metavar="T"),
    )
    top_k: int | None = field(
        default=None,
        metadata=option(
            "draw among the K likeliest tokens (semantic, coarse)",
            "--top-k",
            type=int,
            metavar="K",
        ),
    )
    top_p: float | None = field(
        default=None,
        metadata=option(
            "draw among the likeliest tokens that sum to P (semantic, coarse)",
            "--top-p",
            type=float,
            metavar="P",
        ),
    )
    min_eos_p: float | None = field(
        default=None,
        metadata=option(
            "stop when the end is at least this probable", "--min-eos-p", type=float, metavar="P"
        ),
    )
    quiet: bool = field(
        default=False,
        metadata=option("no progress and no summary", "-q", "--quiet", action="store_true"),
    )


class _Parser(argparse.ArgumentParser):
    def __init__(self, **keywords: Any) -> None:
        look = argparse.RawDescriptionHelpFormatter
        super().__init__(formatter_class=look, epilog=_EXIT_CODES, **keywords)

    def error(self, message: str) -> NoReturn:
        """One line, not the usage and a line."""
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


Arguments = SayArguments | VoicesArguments | BenchArguments

_COMMANDS: Mapping[str, tuple[type[Arguments], str]] = {
    "say": (SayArguments, "Speak a text into a WAV file."),
    "voices": (VoicesArguments, "List the voices that can be named."),
    "bench": (BenchArguments, "Measure how a server keeps up with many streams."),
}


def parse(arguments: Sequence[str], environment: Mapping[str, str]) -> Arguments:
    """The arguments of the command that was asked for."""
    parser = _Parser(prog="barkclient", description="Speaks through a barkserve server.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    server = environment.get(SERVER_VARIABLE)
    for name, (kind, summary) in _COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=summary)
        for entry in fields(kind):
            _add(command, entry.name, entry.default, dict(entry.metadata))
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
