"""Options of `barkclient status`."""

from dataclasses import dataclass, field

from barkclient.cli.common import CommonArguments, option, seconds

DEFAULT_AUTOSCALER = "localhost:50056"


@dataclass(frozen=True, kw_only=True)
class StatusArguments(CommonArguments):
    """Command line of `barkclient status`."""

    watch: float | None = field(
        default=None,
        metadata=option(
            "show the state again each time that many seconds have passed (1 without a number),"
            " until Ctrl-C; without a terminal it is shown once, and with --json it is a line each",
            "--watch",
            nargs="?",
            const=1.0,
            type=seconds,
            metavar="SECONDS",
        ),
    )
    scaling: bool = field(
        default=False,
        metadata=option(
            "show only the replicas that the autoscaler wants, and why",
            "--scaling",
            action="store_true",
        ),
    )
    autoscaler: str = field(
        default=DEFAULT_AUTOSCALER,
        metadata=option(
            "address of the autoscaler; the default is asked only if --server is on this machine",
            "--autoscaler",
            metavar="HOST:PORT",
            group="connection",
        ),
    )
