"""The limits that the server sets for all sessions. Values only."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """The server's limits.

    Attributes:
        max_text_characters: of a Synthesize text, or of all text of a context.
        max_contexts: open at once in one StreamingSynthesize call.
        max_seconds_per_character: the default limit of a segment's duration, see `Tail`.
        max_pending_flushes: of a context, received and not reported as done.
        context_idle_s: time after which a context without anything to speak fails; 0 for never.
        call_idle_s: time after which a call without an open context fails; 0 for never.
        heartbeat_s: time without a message after which a call gets a heartbeat; 0 for never.
    """

    max_text_characters: int
    max_contexts: int
    max_seconds_per_character: float
    max_pending_flushes: int
    context_idle_s: float
    call_idle_s: float
    heartbeat_s: float
