"""What one fault cost the streams."""

from dataclasses import dataclass, field

from tools.chaos.comparison import Difference


@dataclass(frozen=True)
class Outcome:
    """One row of the table.

    Attributes:
        key: the fault.
        streams: that were accepted.
        refused: streams refused at once.
        failed: errors of accepted streams.
        difference: lost, repeated and wrong samples of the accepted streams.
        silence_s: longest time that a player without a buffer had nothing to play.
        recovery_s: longest wait for the next audio after the fault.
        goodput: seconds of audio per second that arrived during the row.
        restored_s: time from the fault until every replica was healthy again.
        memory_bytes: largest growth of the resident memory of a process.
        notes: what else was seen.
        failures: what was expected and is not so.
        skipped: why the fault was not run; empty if it was.
    """

    key: str
    streams: int = 0
    refused: int = 0
    failed: list[str] = field(default_factory=list)
    difference: Difference = field(default_factory=Difference)
    silence_s: float = 0.0
    recovery_s: float = 0.0
    goodput: float = 0.0
    restored_s: float = 0.0
    memory_bytes: int = 0
    notes: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    skipped: str = ""

    @property
    def problems(self) -> list[str]:
        """Return why the promise does not hold; empty if it does."""
        samples = [] if self.difference == Difference() else [f"{self.difference}"]
        silent = ["no stream was spoken"] if not (self.streams or self.skipped) else []
        return [*self.failed, *samples, *self.failures, *silent]
