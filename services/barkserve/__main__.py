"""The command line: reads it, has the one service built that it names, and runs that. Decides
nothing else.

barkserve up [OPTIONS] [-- COMMAND]     all five on this machine
barkserve semantic|coarse|fine|codec|orchestrator|autoscaler [OPTIONS]
barkserve fetch --stage STAGE --to FOLDER [--checkpoint NAME]
"""

import argparse
import asyncio
import logging
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from typing import Any, NoReturn

from barkserve import config
from barkserve.errors import BarkserveError, StartupError
from barkserve.options import add_options, environment, read_options, unknown_variables
from barkserve.serving.metrics import Metrics
from barkserve.serving.server import Service, serve
from barkserve.wiring import server_options

_SERVICES: dict[str, tuple[type[Any], str]] = {
    "semantic": (config.SemanticOptions, "text to semantic tokens"),
    "coarse": (config.CoarseOptions, "semantic tokens to the first two codebooks"),
    "fine": (config.FineOptions, "two codebooks to all of them"),
    "codec": (config.CodecOptions, "codes to samples"),
    "orchestrator": (config.OrchestratorOptions, "the public service; needs no torch"),
    "autoscaler": (
        config.AutoscalerOptions,
        "how many replicas each service should have, for KEDA, Prometheus and people",
    ),
}


def main() -> NoReturn:
    """What the installed command runs. Ends the process as it stands: the interpreter's own end
    would tear down what gRPC's threads may still be using, which now and then aborts a service that
    has drained.
    """
    code = run(sys.argv[1:])
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):
            stream.flush()
    os._exit(code)


def run(argv: Sequence[str]) -> int:
    """Run the command line; returns the exit code. Never shows a traceback for a foreseen
    failure.
    """
    words, command = _split_command(argv)
    arguments = _parser().parse_args(words)
    variables = environment()
    try:
        for name in unknown_variables(
            variables,
            [config.UpOptions, config.FetchOptions, *(kind for kind, _ in _SERVICES.values())],
        ):
            raise StartupError(
                f"{name} is set but is no option of barkserve; see `barkserve SERVICE --help`"
            )
        if command and arguments.service != "up":
            raise StartupError(
                f"{command[0]!r} stands behind --, and only `barkserve up` runs a command"
            )
        if arguments.service == "up":
            from barkserve.up.command import up

            return asyncio.run(up(read_options(config.UpOptions, arguments, variables), command))
        if arguments.service == "fetch":
            from barkserve.checkpoint.fetch.command import fetch

            fetch(read_options(config.FetchOptions, arguments, variables), sys.stderr)
            return 0
        return _run_service(arguments, variables)
    except BarkserveError as error:
        if getattr(arguments, "exit_on_stdin_close", None):
            print(error)  # to `barkserve up`, which says it once for all services
        else:
            print(f"barkserve {arguments.service}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _run_service(arguments: argparse.Namespace, variables: Mapping[str, str]) -> int:
    kind, _ = _SERVICES[arguments.service]
    options = read_options(kind, arguments, variables)
    logging.basicConfig(
        level=options.log_level.upper(),
        format=f"%(asctime)s {arguments.service} %(levelname)s %(message)s",
    )
    # A first download takes minutes: it is said at any level.
    logging.getLogger("barkserve.checkpoint.download_progress").setLevel(logging.INFO)
    metrics = Metrics(arguments.service)

    def build() -> Service:
        # Only here, so that a service without a model never loads torch.
        builder = import_module(f"barkserve.building.{arguments.service}")
        service: Service = builder.build(options, metrics)
        return service

    try:
        asyncio.run(serve(server_options(options), metrics, build))
    except ModuleNotFoundError as error:
        raise StartupError(
            f"this service needs {error.name}: pip install 'barkserve[stages]'"
        ) from error
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="barkserve", description="Bark text-to-speech as a chain of gRPC services."
    )
    commands = parser.add_subparsers(dest="service", required=True, metavar="SERVICE")
    summary = "all five services on this machine; with `-- COMMAND`, until that command ends"
    add_options(commands.add_parser("up", help=summary, description=summary), config.UpOptions)
    summary = "write what one service needs of a checkpoint into a folder, for a volume"
    add_options(
        commands.add_parser("fetch", help=summary, description=summary), config.FetchOptions
    )
    for name, (kind, summary) in _SERVICES.items():
        command = commands.add_parser(name, help=summary, description=summary)
        add_options(command, kind)
    return parser


def _split_command(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """What stands before `--` and what stands behind it."""
    if "--" not in words:
        return list(words), []
    at = words.index("--")
    return list(words[:at]), list(words[at + 1 :])


if __name__ == "__main__":
    main()
