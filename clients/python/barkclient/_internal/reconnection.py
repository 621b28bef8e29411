"""When a failed call is repeated: which failures, how soon, and for how long. No I/O."""

import time

import grpc

from barkclient.errors import (
    BarkClientError,
    DeadlineExceeded,
    Overloaded,
    RetryableError,
    ServerUnavailable,
    sent_status,
)

DEFAULT_RECONNECT_S = 30.0
"""Seconds for which a cut call is repeated until the server answers again."""

_FIRST_DELAY_S = 0.1
_MAX_DELAY_S = 1.0
_MAX_CUTS = 3
_SILENT_INTERVALS = 2
_SILENCE_MARGIN_S = 1.0
_CUT = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.INTERNAL,  # a proxy's RST_STREAM
    grpc.StatusCode.UNKNOWN,
)


class ServerSilent(ServerUnavailable):
    """A server that sends neither messages nor heartbeats."""


class Reconnection:
    """Counts the failures of one call since something arrived.

    Args:
        limit_s: seconds to try for; 0: a call is not repeated.
        timeout: seconds for all calls together; None: no limit.
        retries: how often the call is repeated after other failures that may not happen again.
    """

    def __init__(self, limit_s: float, timeout: float | None, retries: int = 0) -> None:
        self._limit_s = limit_s
        self._retries = retries
        self._deadline = None if timeout is None else time.monotonic() + timeout
        self._connected = False  # the server has answered once
        self._answered = False  # the present call has been answered
        self._cut_at: float | None = None  # None: something new has arrived since
        self._cuts = 0  # answered calls that were cut without anything new
        self._delay_s = _FIRST_DELAY_S
        self._heartbeat_s = 0.0

    @property
    def left_s(self) -> float | None:
        """Seconds until the timeout of all calls; None: no limit."""
        return None if self._deadline is None else max(0.0, self._deadline - time.monotonic())

    @property
    def silence_s(self) -> float | None:
        """Seconds without a message after which a server does not answer any more; None: never."""
        if not self._heartbeat_s:
            return None
        return _SILENT_INTERVALS * self._heartbeat_s + _SILENCE_MARGIN_S

    def arrived(self, kind: str | None, heartbeat_ms: int) -> None:
        """Count a response.

        Args:
            kind: of the response.
            heartbeat_ms: of a response that is `started`; else 0.
        """
        self._connected = self._answered = True
        if kind == "started":
            self._heartbeat_s = heartbeat_ms / 1000
        else:
            self._cut_at, self._cuts, self._delay_s = None, 0, _FIRST_DELAY_S

    def delay_s(self, error: BarkClientError) -> float | None:
        """Return the seconds to wait before the call is repeated; None to give up.

        Args:
            error: what ended the call.
        """
        delay_s = self._reconnect_delay_s(error)
        return self._retry_delay_s(error) if delay_s is None else delay_s

    def _retry_delay_s(self, error: BarkClientError) -> float | None:
        retryable = isinstance(error, RetryableError) and not isinstance(error, DeadlineExceeded)
        if not self._retries or not retryable or self.left_s == 0:
            return None
        self._retries -= 1
        self._cut_at, self._cuts, self._answered = None, 0, False
        return self._next_delay_s(error)

    def _reconnect_delay_s(self, error: BarkClientError) -> float | None:
        """Return the seconds until a cut call continues.

        A call that the server has never answered was not cut: gRPC has repeated it already.
        """
        if not self._connected or not self._limit_s or self.left_s == 0:
            return None
        now = time.monotonic()
        if self._cut_at is None:
            if not _was_cut(error):
                return None
            self._cut_at = now
        elif not _was_cut(error) and not isinstance(error, RetryableError):
            return None
        if self._answered:  # an earlier outage is over, although no new audio has come since
            self._cut_at = now
        self._cuts += self._answered
        self._answered = False
        left_s = self._cut_at + self._limit_s - now
        delay_s = self._next_delay_s(error)
        if isinstance(error, Overloaded) and left_s > 0:
            delay_s = min(delay_s, left_s)  # tries once more at the end
        if self._cuts > _MAX_CUTS or delay_s > left_s:
            return None
        return delay_s

    def _next_delay_s(self, error: BarkClientError) -> float:
        """Return a delay that doubles with each failure, or the one that the server asked for."""
        delay_s, self._delay_s = self._delay_s, min(_MAX_DELAY_S, self._delay_s * 2)
        if isinstance(error, Overloaded) and error.retry_after_s is not None:
            return error.retry_after_s
        return delay_s


def _was_cut(error: BarkClientError) -> bool:
    """Whether a call ended without a status from the server itself."""
    if isinstance(error, ServerSilent):
        return True
    cause = error.__cause__
    return isinstance(cause, grpc.RpcError) and cause.code() in _CUT and sent_status(cause) is None
