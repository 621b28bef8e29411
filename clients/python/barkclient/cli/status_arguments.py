"""Options of `barkclient status`."""

from dataclasses import dataclass, field

from barkclient.cli.common import CommonArguments, option

DEFAULT_AUTOSCALER = "localhost:50056"


@dataclass(frozen=True, kw_only=True)
class StatusArguments(CommonArguments):
    """Command line of `barkclient status`."""

    scaling: bool = field(
        default=False,
        metadata=option(
            "show the replicas that the autoscaler wants, and why",
            "--scaling",
            action="store_true",
        ),
    )
    autoscaler: str = field(
        default=DEFAULT_AUTOSCALER,
        metadata=option(
            "address of the autoscaler",
            "--autoscaler",
            metavar="HOST:PORT",
            group="connection",
        ),
    )
