"""Measure the CPU time of the host, without a GPU.

    python -m benchmarks.host engine --out benchmarks/results/host-engine.json
    python -m benchmarks.host processes --out benchmarks/results/host-processes.json

`engine`: for each decode step, in one process, of the event loop and of the model thread.
`processes`: of the orchestrator and of all stages, for each stream and message.
"""

import argparse

from benchmarks.host import engine, processes


def main() -> None:
    """Run one of the benchmarks from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    commands = parser.add_subparsers(required=True)
    for module in (engine, processes):
        summary = (module.__doc__ or "").splitlines()[0]
        command = commands.add_parser(module.__name__.rpartition(".")[2], help=summary)
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    given = parser.parse_args()
    given.run(given)


if __name__ == "__main__":
    main()
