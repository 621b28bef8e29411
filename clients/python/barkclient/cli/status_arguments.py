"""What `barkclient status` takes."""

from dataclasses import dataclass, field

from barkclient.cli.common import CommonArguments, option

DEFAULT_AUTOSCALER = "localhost:50056"


@dataclass(frozen=True, kw_only=True)
class StatusArguments(CommonArguments):
    """`barkclient status`"""

    scaling: bool = field(
        default=False,
        metadata=option(
            "why each service has the replicas it has; asks the autoscaler",
            "--scaling",
            action="store_true",
        ),
    )
    autoscaler: str = field(
        default=DEFAULT_AUTOSCALER,
        metadata=option("the autoscaler", "--autoscaler", metavar="HOST:PORT"),
    )
