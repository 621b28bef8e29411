"""How busy a service is: the figures, and how they travel as an ORCA report. Knows no stage and no
model.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Protocol, Self

from barkserve.external import orca_load_report_pb2


@dataclass(frozen=True)
class Load:
    """What a replica says of itself. Each field is a named metric of its ORCA reports.

    Attributes:
        streams: streams in progress, waiting ones included.
        taken: streams taken on since the start.
        capacity: streams that it takes at most.
        slots: streams that can compute at once.
        slots_free: of those, free ones.
        queue: sequences, windows or chunks that wait for the model.
        backlog_seconds: audio that it was given to make and has not made yet.
        busy_seconds: time in which the model computed since the start.
        audio_seconds: audio made since the start.
        away: 1 while its model is not on its device, and has to come back for a stream.
        draining: 1 while it only finishes what it has.
    """

    streams: float = 0
    taken: float = 0
    capacity: float = 0
    slots: float = 0
    slots_free: float = 0
    queue: float = 0
    backlog_seconds: float = 0
    busy_seconds: float = 0
    audio_seconds: float = 0
    away: float = 0
    draining: float = 0

    @property
    def utilization(self) -> float:
        """Streams and what waits over the slots; above 1 when there is a queue."""
        return (self.slots - self.slots_free + self.queue) / self.slots if self.slots else 0.0

    def to_report(self) -> orca_load_report_pb2.OrcaLoadReport:
        """As ORCA says it."""
        named = {entry.name: float(getattr(self, entry.name)) for entry in fields(self)}
        return orca_load_report_pb2.OrcaLoadReport(
            named_metrics=named, application_utilization=self.utilization
        )

    @classmethod
    def from_report(cls, report: orca_load_report_pb2.OrcaLoadReport) -> Self:
        """From a report; what it does not name is 0."""
        known = {entry.name for entry in fields(cls)}
        return cls(**{name: value for name, value in report.named_metrics.items() if name in known})


ReadLoad = Callable[[], Load]


class Streams(Protocol):
    """What load_of needs of an Admission."""

    capacity: int
    taken: int

    @property
    def active(self) -> int: ...

    @property
    def backlog_s(self) -> float: ...

    @property
    def made_s(self) -> float: ...


class Model(Protocol):
    """What load_of needs of an Engine or a Batcher."""

    busy_s: float

    @property
    def waiting(self) -> int: ...

    @property
    def away(self) -> bool: ...


def load_of(
    streams: Streams,
    model: Model | None = None,
    slots: int | None = None,
    free_slots: Callable[[], int] | None = None,
) -> ReadLoad:
    """Reads a service's load whenever it is called.

    Args:
        streams: the service's admission.
        model: what computes, None if nothing does.
        slots, free_slots: of the model; None where every stream that is let in can compute.
    """

    def read() -> Load:
        free = max(0, streams.capacity - streams.active) if free_slots is None else free_slots()
        return Load(
            streams=streams.active,
            taken=streams.taken,
            capacity=streams.capacity,
            slots=streams.capacity if slots is None else slots,
            slots_free=free,
            queue=0 if model is None else model.waiting,
            backlog_seconds=streams.backlog_s,
            busy_seconds=0 if model is None else model.busy_s,
            audio_seconds=streams.made_s,
            away=model is not None and model.away,
        )

    return read
