"""The `barkserve` command line.

barkserve up [OPTIONS] [-- COMMAND]     the services of one machine
barkserve SERVICE [OPTIONS]             one service: those in `barkserve.services`
barkserve fetch --stage STAGE --to FOLDER [--checkpoint NAME]
barkserve token --name NAME [--roles ROLE,...] [--valid-days DAYS]
barkserve doctor [OPTIONS]              what is wrong with this machine or deployment
"""

import argparse
import asyncio
import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module, metadata
from typing import Any, NoReturn

from barkserve import services
from barkserve.config.authentication import TokenOptions
from barkserve.config.doctor import DoctorOptions
from barkserve.config.fetch import FetchOptions
from barkserve.config.gateway import GatewayOptions
from barkserve.config.process import ProcessOptions, ServiceOptions
from barkserve.config.up import UpOptions
from barkserve.cores import run_on_cores
from barkserve.errors import BarkserveError, StartupError
from barkserve.options import add_options, environment, read_options, unknown_variables
from barkserve.services import ServiceEntry, service_named
from barkserve.serving.audit import AUDIT_LOGGER
from barkserve.serving.logs import set_up_logging
from barkserve.serving.metrics import Metrics
from barkserve.serving.process_exit import exit_now
from barkserve.serving.server import serve
from barkserve.serving.trace_export import start_tracing

_UP = "all services on this machine; with `-- COMMAND`, until that command ends"
_FETCH = "write the files of a checkpoint that one service needs into a folder, such as a volume"
_TOKEN = "make a token for a caller, and print its entry for the file of --auth-tokens"
_DOCTOR = "find what is wrong with this machine or deployment; exit code 1 if there is a problem"
_INTERRUPTED = 130


def main() -> NoReturn:
    """Run the installed command.

    The process ends without interpreter shutdown: tearing down objects that gRPC's threads still
    use now and then aborts a service that has drained.
    """
    exit_now(run(sys.argv[1:]))


def run(argv: Sequence[str]) -> int:
    """Run a command line.

    Expected failures are reported in one line, without a traceback.

    Args:
        argv: the words after `barkserve`.

    Returns:
        The exit code.
    """
    words, command = _split_command(argv)
    arguments = _parser().parse_args(words)
    try:
        return _run(arguments, command, environment())
    except BarkserveError as error:
        if getattr(arguments, "exit_on_stdin_close", None):
            print(error)  # for `barkserve up`, which reports it once for all services
        else:
            print(f"barkserve {arguments.command}: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return _INTERRUPTED


def _run(
    arguments: argparse.Namespace, command: Sequence[str], variables: Mapping[str, str]
) -> int:
    if arguments.command != "doctor":  # which reports them
        _check_variables(variables)
    if command and arguments.command != "up":
        raise StartupError(f"only `barkserve up` runs a command: remove `-- {command[0]} ...`")
    # Imported lazily: each command loads only what it needs.
    if arguments.command == "up":
        from barkserve.up.command import up

        return asyncio.run(up(read_options(UpOptions, arguments, variables), command))
    if arguments.command == "fetch":
        from barkserve.checkpoint.fetch.command import fetch

        fetch(read_options(FetchOptions, arguments, variables), sys.stderr)
        return 0
    if arguments.command == "token":
        from barkserve.serving.auth.command import print_token

        print_token(read_options(TokenOptions, arguments, variables), sys.stdout, sys.stderr)
        return 0
    if arguments.command == "doctor":
        from barkserve.doctor.command import doctor

        options = read_options(DoctorOptions, arguments, variables)
        return asyncio.run(doctor(options, _unknown_variables(variables), variables, sys.stdout))
    return _run_service(service_named(arguments.command), arguments, variables)


def _unknown_variables(variables: Mapping[str, str]) -> list[str]:
    kinds = [
        UpOptions,
        FetchOptions,
        TokenOptions,
        DoctorOptions,
        *(entry.options for entry in services.SERVICES),
    ]
    return unknown_variables(variables, kinds)


def _check_variables(variables: Mapping[str, str]) -> None:
    for name in _unknown_variables(variables):
        raise StartupError(
            f"the environment variable {name} is not an option: unset it, or see `barkserve "
            "SERVICE --help`"
        )


def _run_service(
    entry: ServiceEntry, arguments: argparse.Namespace, variables: Mapping[str, str]
) -> int:
    options = read_options(entry.options, arguments, variables)
    _set_up_logging(entry.name, options)
    run_on_cores(options.cores)
    stop_tracing = start_tracing(entry.name, options, variables)
    metrics = Metrics(entry.name, options.watchdog_trips)

    def build() -> Any:
        # Imported lazily: services without a model must not load torch.
        return import_module(entry.builder).build(options, metrics)

    try:
        asyncio.run(_serve(options, metrics, build))
    except ModuleNotFoundError as error:
        extra = "[gateway]" if entry.is_http else "[stages]" if entry.is_stage else ""
        package = (error.name or "a package").partition(".")[0]
        raise StartupError(
            f"{package} is not installed: run pip install 'barkserve{extra}'"
        ) from error
    finally:
        stop_tracing()
    return 0


async def _serve(options: ProcessOptions, metrics: Metrics, build: Callable[[], Any]) -> None:
    if isinstance(options, GatewayOptions):
        # Imported lazily: the other services need no HTTP server.
        from barkserve.gateway.server import serve as serve_http

        await serve_http(options, metrics, build)
    else:
        assert isinstance(options, ServiceOptions)  # all others speak gRPC
        await serve(options, metrics, build)


def _set_up_logging(name: str, options: ProcessOptions) -> None:
    set_up_logging(name, options, options.log_level)
    # A first download takes minutes: its progress is shown at any log level.
    logging.getLogger("barkserve.checkpoint.download_progress").setLevel(logging.INFO)
    logging.getLogger(AUDIT_LOGGER).setLevel(logging.INFO)  # whatever the level of the others is


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="barkserve", description="Bark text-to-speech as a chain of gRPC services."
    )
    parser.add_argument("--version", action="version", version=f"barkserve {_version()}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    add_options(commands.add_parser("up", help=_UP, description=_UP), UpOptions)
    add_options(commands.add_parser("fetch", help=_FETCH, description=_FETCH), FetchOptions)
    add_options(commands.add_parser("token", help=_TOKEN, description=_TOKEN), TokenOptions)
    add_options(commands.add_parser("doctor", help=_DOCTOR, description=_DOCTOR), DoctorOptions)
    for entry in services.SERVICES:
        command = commands.add_parser(entry.name, help=entry.summary, description=entry.summary)
        add_options(command, entry.options)
    return parser


def _version() -> str:
    try:
        return metadata.version("barkserve")
    except metadata.PackageNotFoundError:
        return "unknown (not installed)"


def _split_command(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """The words before and after `--`."""
    if "--" not in words:
        return list(words), []
    index = words.index("--")
    return list(words[:index]), list(words[index + 1 :])


if __name__ == "__main__":
    main()
