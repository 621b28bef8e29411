"""The audit log: one line of JSON for each change of a voice and for refused callers.

The lines go to the logger `barkserve.audit`, whatever --log-level is.
"""

import asyncio
import json
import logging
from dataclasses import dataclass

AUDIT_LOGGER = "barkserve.audit"
_log = logging.getLogger(AUDIT_LOGGER)

WINDOW_S = 10.0
"""Repeated refusals within this time become one line with their number."""
MAX_KINDS = 100
"""Refusals of more kinds within one window are counted together."""


def record(event: str, **fields: str | int) -> None:
    """Write one line. JSON escapes line breaks, so that no field can forge a line."""
    _log.info(json.dumps({"event": event, **fields}))


@dataclass(frozen=True)
class Refusal:
    """A kind of refusal; those of one kind are counted together.

    Attributes:
        code: the name of the gRPC status.
        reason: the message that the client got, without its token.
        method: the method that was called.
        peer: the client's address.
    """

    code: str
    reason: str
    method: str
    peer: str


_OTHERS = Refusal("", "more than the audit log lists at once", "", "")


class RefusalLog:
    """Writes a line for the first refusal of each kind, and one for its repetitions.

    A flood of refusals from many clients therefore writes at most MAX_KINDS lines, and later as
    many again with numbers, in each window.

    Args:
        window_s: time for which repetitions are counted before they are written.
    """

    def __init__(self, window_s: float = WINDOW_S) -> None:
        self._window_s = window_s
        self._repeated: dict[Refusal, int] = {}

    def note(self, refusal: Refusal) -> None:
        """Note a refusal. Needs a running event loop."""
        if refusal not in self._repeated and len(self._repeated) >= MAX_KINDS:
            refusal = _OTHERS
        if refusal in self._repeated:
            self._repeated[refusal] += 1
            return
        self._repeated[refusal] = 0
        _write(refusal, 1)
        asyncio.get_running_loop().call_later(self._window_s, self._end_window, refusal)

    def _end_window(self, refusal: Refusal) -> None:
        if count := self._repeated.pop(refusal):
            _write(refusal, count)


def _write(refusal: Refusal, count: int) -> None:
    record("caller_refused", **vars(refusal), count=count)
