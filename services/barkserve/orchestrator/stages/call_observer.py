"""What a session learns about its calls to stages."""

from typing import Protocol

from barkserve.constants import StageName
from barkserve.tracing import NO_SPAN, Span


class CallObserver(Protocol):
    """Is told which replicas serve a session."""

    @property
    def span(self) -> Span:
        """The span of the session, below which the calls have theirs."""

    def replica_used(self, stage: StageName, address: str) -> None:
        """A replica has admitted a call."""

    def failed_over(self, stage: StageName, reason: str) -> None:
        """A call leaves a replica that had admitted it: "lost", "failed" or "hung"."""


class NoObserver:
    """Ignores what it is told."""

    span = NO_SPAN

    def replica_used(self, stage: StageName, address: str) -> None:
        """Ignore it."""

    def failed_over(self, stage: StageName, reason: str) -> None:
        """Ignore it."""
