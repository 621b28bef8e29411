"""The revision of the checkpoint in the calls of the orchestrator to the stages.

In a rollout to another checkpoint, old and new stages run at the same time. A stage refuses the
calls of an orchestrator that has another revision. The orchestrator then takes another replica.
"""

from collections.abc import Iterable

METADATA_KEY = "x-barkserve-checkpoint"


def revision_metadata(revision: str) -> tuple[tuple[str, str], ...]:
    """The metadata of a call that wants a revision; empty wants none."""
    return ((METADATA_KEY, revision),) if revision else ()


def wanted_revision(metadata: Iterable[tuple[str, str | bytes]]) -> str:
    """The revision that a call wants; empty if it accepts all."""
    return next((str(value) for key, value in metadata if key == METADATA_KEY), "")
