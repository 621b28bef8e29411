"""The command line of `barkclient`: parses it into frozen dataclasses, one field per option."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields
from typing import Any, NoReturn

from barkclient._version import __version__
from barkclient.cli.bench_arguments import BenchArguments
from barkclient.cli.common import SERVER_VARIABLE, TOKEN_VARIABLE, ServerArguments
from barkclient.cli.plan_arguments import PlanArguments
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
  0    success
  1    the server failed, or the output could not be written
  2    wrong command line or request
  3    the server cannot be reached
  4    the server is overloaded: try again later
  5    timeout
  6    the token is missing, is not accepted, or lacks a role
  130  interrupted
"""

_SAY_EXAMPLES = """\
examples:
  barkclient say "Hello, my dog is cute."             write speech.wav
  barkclient say "Hello" -o hello.mp3 --gain 6        the file name sets the format
  barkclient say "Hello" --format mulaw --rate 8000   telephone audio
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

_PLAN_EXAMPLES = """\
examples:
  barkclient plan --profile h200.json --streams 1000 --gpu-cost-per-hour 4
  barkclient plan --profile h200.json --streams 100 --arrivals burst --startup-seconds 120

"""


class _Parser(argparse.ArgumentParser):
    def __init__(self, epilog: str = "", **keywords: Any) -> None:
        formatter = argparse.RawDescriptionHelpFormatter
        super().__init__(formatter_class=formatter, epilog=epilog + _EXIT_CODES, **keywords)

    def error(self, message: str) -> NoReturn:
        """Print one line instead of the whole usage."""
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
    | PlanArguments
)

_COMMANDS: Mapping[str, tuple[type[Arguments], str, str]] = {
    "say": (SayArguments, "Speak a text into a file or on the sound device.", _SAY_EXAMPLES),
    "voices": (VoicesArguments, "List, show, create and delete voices.", _VOICES_EXAMPLES),
    "info": (InfoArguments, "Show the server's model, formats and limits.", ""),
    "status": (StatusArguments, "Show the state and load of every service.", ""),
    "bench": (BenchArguments, "Measure the server under load.", ""),
    "plan": (PlanArguments, "Size a deployment from measured times.", _PLAN_EXAMPLES),
}
_VOICE_COMMANDS: Mapping[str, tuple[type[Arguments], str, str]] = {
    "list": (VoicesArguments, "List the named voices (the default command).", ""),
    "show": (ShowVoiceArguments, "Describe one voice, or save its tokens.", ""),
    "create": (CreateVoiceArguments, "Store a voice under a name.", _VOICES_EXAMPLES),
    "delete": (DeleteVoiceArguments, "Delete a stored voice.", ""),
}


def parse(arguments: Sequence[str], environment: Mapping[str, str]) -> Arguments:
    """Parse a command line; exits with a message if it is wrong.

    Args:
        arguments: the command line without the program's name.
        environment: the environment variables.
    """
    parser = _Parser(prog="barkclient", description="Client of a barkserve text-to-speech server.")
    parser.add_argument("--version", action="version", version=f"barkclient {__version__}")
    commands = parser.add_subparsers(
        title="commands", dest="command", required=True, metavar="COMMAND"
    )
    for name, entry in _COMMANDS.items():
        command = _add_command(commands, name, *entry)
        if name == "voices":
            _add_voice_commands(command)
    values = vars(parser.parse_args(arguments))
    kind = _COMMANDS[values.pop("command")][0]
    voice_command = values.pop("voice_command", None)
    if voice_command is not None:
        kind = _VOICE_COMMANDS[voice_command][0]
    if not issubclass(kind, ServerArguments):
        return kind(**values)
    variables = {"server": SERVER_VARIABLE, "token": TOKEN_VARIABLE}
    given = {name: environment[key] for name, key in variables.items() if environment.get(key)}
    return kind(**given | values)


def _add_voice_commands(voices: argparse.ArgumentParser) -> None:
    commands = voices.add_subparsers(
        title="commands", dest="voice_command", metavar="COMMAND", prog=voices.prog
    )
    for name, entry in _VOICE_COMMANDS.items():
        _add_command(commands, name, *entry)


def _add_command(
    commands: Any, name: str, kind: type[Arguments], summary: str, epilog: str
) -> argparse.ArgumentParser:
    """Add a command with the options of its dataclass, grouped under headings."""
    positionals = [entry.metadata["metavar"] for entry in fields(kind) if entry.default is MISSING]
    usage = " ".join(["%(prog)s [OPTIONS]", *(["[COMMAND]"] if name == "voices" else positionals)])
    command: argparse.ArgumentParser = commands.add_parser(
        name, help=summary, description=summary, epilog=epilog, usage=usage
    )
    groups: dict[str, Any] = {"": command}
    for entry in sorted(fields(kind), key=lambda entry: entry.metadata["group"] == "connection"):
        metadata = dict(entry.metadata)
        title = metadata.pop("group")
        if title not in groups:
            groups[title] = command.add_argument_group(f"{title} options")
        _add_option(groups[title], entry.name, entry.default, metadata)
    return command


def _add_option(group: Any, name: str, default: Any, metadata: dict[str, Any]) -> None:
    """Add one option. If it is not given, the dataclass supplies its default."""
    flags = metadata.pop("flags")
    text = metadata.pop("help").replace("%", "%%")
    if default is MISSING:
        group.add_argument(name, help=text, **metadata)
        return
    if default not in (None, False, "", ()) and "default:" not in text:
        text += f" (default: {default})"
    group.add_argument(*flags, dest=name, default=argparse.SUPPRESS, help=text, **metadata)
