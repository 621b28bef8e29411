"""What a session learns about its calls to stages."""

from typing import Protocol

from barkserve.constants import StageName


class CallObserver(Protocol):
    """Is told which replicas serve a session."""

    def replica_used(self, stage: StageName, address: str) -> None:
        """A replica has admitted a call."""

    def failed_over(self, stage: StageName, reason: str) -> None:
        """A call leaves a replica that had admitted it: "lost", "failed" or "hung"."""


class NoObserver:
    """Ignores what it is told."""

    def replica_used(self, stage: StageName, address: str) -> None:
        """Ignore it."""

    def failed_over(self, stage: StageName, reason: str) -> None:
        """Ignore it."""
