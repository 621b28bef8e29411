"""The load of a service, and its form as an ORCA report."""

import time
from collections.abc import Callable
from dataclasses import dataclass, fields
from importlib import metadata
from typing import Protocol, Self

from barkserve.external import orca_load_report_pb2

VERSION_KEY = "barkserve-version"
"""The version of a replica, in the initial metadata of its load reports."""


@dataclass(frozen=True)
class Load:
    """The load that a replica reports. Each field is a named metric of its ORCA reports.

    Attributes:
        streams: streams that run, including those that wait for a slot.
        taken: streams admitted since the start.
        capacity: streams that may run at once.
        slots: streams that can compute at once.
        slots_free: slots that are free.
        queue: requests, windows or chunks that wait for the model.
        backlog_seconds: audio asked for and not made yet.
        busy_seconds: time that the model has computed since the start.
        bursts: passes of the model since the start: bursts of steps, fills, or decoded chunks.
        audio_seconds: audio made since the start.
        offloaded: 1 while the model is offloaded; the next stream waits until it is reloaded.
        draining: 1 while the replica accepts no further streams.
        unix_seconds: its clock, in seconds since 1970.
        chunk_first: fine stage: the chunk plan that suits its speed, see `FinePlan`; 0 elsewhere.
        chunk_growth: part of the plan.
        chunk_most: part of the plan.
        chunk_lookahead: part of the plan.
    """

    streams: float = 0
    taken: float = 0
    capacity: float = 0
    slots: float = 0
    slots_free: float = 0
    queue: float = 0
    backlog_seconds: float = 0
    busy_seconds: float = 0
    bursts: float = 0
    audio_seconds: float = 0
    offloaded: float = 0
    draining: float = 0
    unix_seconds: float = 0
    chunk_first: float = 0
    chunk_growth: float = 0
    chunk_most: float = 0
    chunk_lookahead: float = 0

    @property
    def utilization(self) -> float:
        """Used slots and waiting requests, relative to the slots; above 1 with a queue."""
        return (self.slots - self.slots_free + self.queue) / self.slots if self.slots else 0.0

    def to_report(self) -> orca_load_report_pb2.OrcaLoadReport:
        """Convert to an ORCA report."""
        named = {entry.name: float(getattr(self, entry.name)) for entry in fields(self)}
        return orca_load_report_pb2.OrcaLoadReport(
            named_metrics=named, application_utilization=self.utilization
        )

    @classmethod
    def from_report(cls, report: orca_load_report_pb2.OrcaLoadReport) -> Self:
        """Convert from an ORCA report. Missing metrics are 0, unknown ones are ignored."""
        known = {entry.name for entry in fields(cls)}
        return cls(**{name: value for name, value in report.named_metrics.items() if name in known})


ReadLoad = Callable[[], Load]


def installed_version() -> str:
    """Return the version of barkserve that runs; "unknown" if it is not installed."""
    try:
        return metadata.version("barkserve")
    except metadata.PackageNotFoundError:
        return "unknown"


class Streams(Protocol):
    """The members of an Admission that `load_of` reads."""

    capacity: int
    taken: int

    @property
    def active(self) -> int:
        """Streams that run now."""

    @property
    def backlog_s(self) -> float:
        """Seconds of audio asked for and not made yet."""

    @property
    def made_s(self) -> float:
        """Seconds of audio made since the start."""


class Model(Protocol):
    """The members of an Engine or a Batcher that `load_of` reads."""

    busy_s: float
    bursts: int

    @property
    def waiting(self) -> int:
        """Requests that wait for the model."""

    @property
    def offloaded(self) -> bool:
        """Whether the model is offloaded."""


class SlottedModel(Model, Protocol):
    """The members of an Engine that `slotted_load_of` reads."""

    @property
    def slots(self) -> int:
        """Slots of the key/value cache."""

    @property
    def free_slots(self) -> int:
        """Slots that are free."""


def load_of(
    streams: Streams,
    model: Model | None = None,
    slots: int | None = None,
    free_slots: Callable[[], int] | None = None,
) -> ReadLoad:
    """Make the function that reads the current load of a service.

    Args:
        streams: the admission of the service.
        model: what computes; None for a service without a model.
        slots: slots of the model; None where every admitted stream can compute.
        free_slots: reads the number of free slots; None like `slots`.
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
            bursts=0 if model is None else model.bursts,
            unix_seconds=time.time(),
            audio_seconds=streams.made_s,
            offloaded=model is not None and model.offloaded,
        )

    return read


def slotted_load_of(streams: Streams, model: SlottedModel) -> ReadLoad:
    """Make the function that reads the current load of a stage with slots."""
    return load_of(streams, model, model.slots, lambda: model.free_slots)
