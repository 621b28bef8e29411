"""The command line as frozen dataclasses: one field an option, its flags and its help beside it."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields
from typing import Any, NoReturn

from barkclient._version import __version__
from barkclient.cli.bench_arguments import BenchArguments
from barkclient.cli.common import SERVER_VARIABLE
from barkclient.cli.say_arguments import SayArguments
from barkclient.cli.status_arguments import StatusArguments
from barkclient.cli.voices_arguments import (
    CreateVoiceArguments,
    DeleteVoiceArguments,
    InfoArguments,
    ShowVoiceArguments,
    VoicesArguments,
)

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

_SAY_EXAMPLES = """\
examples:
  barkclient say "Hello, my dog is cute."             to speech.wav, as it comes
  barkclient say "Hello" -o hello.mp3 --gain 6        the name says the format
  barkclient say "Hello" --format mulaw --rate 8000   for a telephone
  barkclient say - --timestamps book.srt < book.txt   a long text, with subtitles
  some-chatbot | barkclient say - --stream-text --play

"""
_VOICES_EXAMPLES = """\
examples:
  barkclient say "Hello" --save-voice me.npz && barkclient voices create me me.npz
  barkclient voices create narrator v2/slt --description "for the book"
  barkclient voices show narrator
  barkclient voices delete narrator

"""


class _Parser(argparse.ArgumentParser):
    def __init__(self, epilog: str = "", **keywords: Any) -> None:
        look = argparse.RawDescriptionHelpFormatter
        super().__init__(formatter_class=look, epilog=epilog + _EXIT_CODES, **keywords)

    def error(self, message: str) -> NoReturn:
        """One line, not the usage and a line."""
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


Arguments = (
    SayArguments
    | VoicesArguments
    | ShowVoiceArguments
    | CreateVoiceArguments
    | DeleteVoiceArguments
    | InfoArguments
    | StatusArguments
    | BenchArguments
)

_COMMANDS: Mapping[str, tuple[type[Arguments], str, str]] = {
    "say": (SayArguments, "Speak a text into a file, or aloud, as it comes.", _SAY_EXAMPLES),
    "voices": (VoicesArguments, "List the voices; with a command: make them.", _VOICES_EXAMPLES),
    "info": (InfoArguments, "Tell what the server speaks, and its limits.", ""),
    "status": (StatusArguments, "Tell the state and the load of every service.", ""),
    "bench": (BenchArguments, "Measure how a server keeps up with many streams.", ""),
}
_VOICE_COMMANDS: Mapping[str, tuple[type[Arguments], str, str]] = {
    "list": (VoicesArguments, "List the voices that can be named.", ""),
    "show": (ShowVoiceArguments, "Describe one voice, or save its tokens.", ""),
    "create": (CreateVoiceArguments, "Store a voice under a name.", _VOICES_EXAMPLES),
    "delete": (DeleteVoiceArguments, "Delete a stored voice.", ""),
}


def parse(arguments: Sequence[str], environment: Mapping[str, str]) -> Arguments:
    """The arguments of the command that was asked for."""
    parser = _Parser(prog="barkclient", description="Speaks through a barkserve server.")
    parser.add_argument("--version", action="version", version=f"barkclient {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (kind, summary, epilog) in _COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=summary, epilog=epilog)
        _add_all(command, kind)
        if name == "voices":
            own = command.add_subparsers(dest="voice_command", metavar="COMMAND")
            for own_name, (own_kind, text, end) in _VOICE_COMMANDS.items():
                _add_all(
                    own.add_parser(own_name, help=text, description=text, epilog=end), own_kind
                )
    values = vars(parser.parse_args(arguments))
    kind = _COMMANDS[values.pop("command")][0]
    own_command = values.pop("voice_command", None)
    if own_command is not None:
        kind = _VOICE_COMMANDS[own_command][0]
    server = environment.get(SERVER_VARIABLE)
    return kind(**({"server": server} if server else {}) | values)


def _add_all(command: argparse.ArgumentParser, kind: type[Arguments]) -> None:
    for entry in fields(kind):
        _add(command, entry.name, entry.default, dict(entry.metadata))


def _add(
    command: argparse.ArgumentParser, name: str, default: Any, metadata: dict[str, Any]
) -> None:
    """An option that is not given is not in the result: its default is the dataclass's."""
    flags = metadata.pop("flags")
    text = metadata.pop("help").replace("%", "%%")
    if default is MISSING:
        command.add_argument(name, help=text, **metadata)
        return
    if default not in (None, False, "") and "(default" not in text:
        text += f" (default: {default})"
    command.add_argument(*flags, dest=name, default=argparse.SUPPRESS, help=text, **metadata)
