"""The `barkclient` command: reads command line and environment, turns errors into exit codes."""

import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import NoReturn

from barkclient.cli.arguments import Arguments, parse
from barkclient.cli.bench import bench
from barkclient.cli.info import info
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
    PreconditionFailed,
    ServerUnavailable,
    VoiceExists,
    VoiceNotFound,
    VoiceStoreFull,
)

_FAILED = 1
_WRONG = 2
_INTERRUPTED = 130
_EXIT_CODES: Mapping[type[BarkClientError], int] = {
    InvalidRequest: _WRONG,
    VoiceNotFound: _WRONG,
    VoiceExists: _WRONG,
    VoiceStoreFull: _WRONG,
    PreconditionFailed: _WRONG,
    ServerUnavailable: 3,
    Overloaded: 4,
    DeadlineExceeded: 5,
}


def main() -> None:
    """What the installed command runs."""
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # what its core logs, we say in a line
    _leave(run(sys.argv[1:], os.environ))


def run(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """Runs one command; returns its exit code."""
    try:
        _run(parse(arguments, environment))
    except BarkClientError as error:
        return _farewell(str(error), error, _EXIT_CODES.get(type(error), _FAILED))
    except KeyboardInterrupt as error:
        return _farewell("interrupted", error, _INTERRUPTED)
    except UnicodeEncodeError as error:  # of the command line, which may hold any bytes
        text = error.object[error.start : error.end]
        return _farewell(f"{text!a} is not {error.encoding}", error, _WRONG)
    except OSError as error:
        if isinstance(error, BrokenPipeError):  # Python would try once more at its end
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _farewell(
            f"cannot write {error.filename or 'the output'}: {error.strerror}", error, _FAILED
        )
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
        case _:
            bench(command)


def _farewell(message: str, error: BaseException, code: int) -> int:
    """One line for a person: what went wrong, and what is left of the work."""
    print("; ".join([f"barkclient: {message}", *getattr(error, "__notes__", [])]), file=sys.stderr)
    return code


def _leave(code: int) -> NoReturn:
    """Ends the process as it stands. The interpreter's own end would tear down what gRPC's threads
    may still be using, which now and then aborts a command that has done its work.
    """
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):
            stream.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
