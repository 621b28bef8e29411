"""The `barkclient` command: runs one subcommand and maps errors to exit codes."""

import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import NoReturn

from barkclient.cli.arguments import Arguments, parse
from barkclient.cli.bench import bench
from barkclient.cli.info import info
from barkclient.cli.plan import plan
from barkclient.cli.plan_arguments import PlanArguments
from barkclient.cli.say import say
from barkclient.cli.say_arguments import SayArguments
from barkclient.cli.status import status
from barkclient.cli.status_arguments import StatusArguments
from barkclient.cli.voices import create_voice, delete_voice, show_voice, voices
from barkclient.cli.voices_arguments import (
    CreateVoiceArguments,
    DeleteVoiceArguments,
    InfoArguments,
    ShowVoiceArguments,
    VoicesArguments,
)
from barkclient.errors import (
    BarkClientError,
    DeadlineExceeded,
    InvalidRequest,
    Overloaded,
    PermissionDenied,
    PreconditionFailed,
    ServerUnavailable,
    Unauthenticated,
    VoiceExists,
    VoiceNotFound,
    VoiceStoreFull,
)

_FAILED = 1
_USAGE = 2
_INTERRUPTED = 130
_EXIT_CODES: Mapping[type[BarkClientError], int] = {
    InvalidRequest: _USAGE,
    VoiceNotFound: _USAGE,
    VoiceExists: _USAGE,
    VoiceStoreFull: _USAGE,
    PreconditionFailed: _USAGE,
    ServerUnavailable: 3,
    Overloaded: 4,
    DeadlineExceeded: 5,
    Unauthenticated: 6,
    PermissionDenied: 6,
}


def main() -> None:
    """Entry point of the installed command."""
    _exit(run(sys.argv[1:], os.environ))


def run(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run one command.

    Args:
        arguments: the command line without the program's name.
        environment: the environment variables.

    Returns:
        The exit code.
    """
    try:
        _run(parse(arguments, environment))
    except BarkClientError as error:
        return _fail(str(error), error, _EXIT_CODES.get(type(error), _FAILED))
    except KeyboardInterrupt as error:
        return _fail("interrupted", error, _INTERRUPTED)
    except UnicodeEncodeError as error:  # bytes of the command line that are not text
        text = error.object[error.start : error.end]
        return _fail(f"{text!a} is not {error.encoding}", error, _USAGE)
    except OSError as error:
        if isinstance(error, BrokenPipeError):  # Python would flush stdout again at exit
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        name = error.filename or "the output"
        return _fail(f"cannot write {name}: {error.strerror}", error, _FAILED)
    return 0


def _run(command: Arguments) -> None:
    match command:
        case SayArguments():
            say(command)
        case StatusArguments():
            status(command)
        case VoicesArguments():
            voices(command)
        case ShowVoiceArguments():
            show_voice(command)
        case CreateVoiceArguments():
            create_voice(command)
        case DeleteVoiceArguments():
            delete_voice(command)
        case InfoArguments():
            info(command)
        case PlanArguments():
            plan(command)
        case _:
            bench(command)


def _fail(message: str, error: BaseException, code: int) -> int:
    """Print one line with the error and its notes, which say what was written."""
    print("; ".join([f"barkclient: {message}", *getattr(error, "__notes__", [])]), file=sys.stderr)
    return code


def _exit(code: int) -> NoReturn:
    """End the process without the interpreter's shutdown.

    The shutdown frees objects that gRPC's threads may still use. This sometimes aborts a command
    that has done its work.
    """
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):
            stream.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
