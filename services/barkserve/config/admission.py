"""The options of admission: which streams the orchestrator accepts."""

from dataclasses import dataclass

from barkserve.options import option


@dataclass(frozen=True)
class AssumedCapacityOptions:
    """The capacity of a replica before it has been measured."""

    assumed_streams: float = option(
        4.0, "real-time streams per replica, assumed until the capacity is measured"
    )


@dataclass(frozen=True)
class AdmissionOptions(AssumedCapacityOptions):
    """Which streams the orchestrator accepts. `barkserve up` passes them on."""

    admission: str = option(
        "rate",
        "rate accepts streams as far as the measured rate of the stages keeps all of them in "
        "real time; count accepts --max-streams",
        ("rate", "count"),
    )
    admission_share: float = option(
        0.85, "share of the measured rate that accepted streams may use; above 0, at most 1"
    )
    queue_seconds: float = option(
        1.0, "time that a stream may wait for room, if room is expected in that time"
    )
