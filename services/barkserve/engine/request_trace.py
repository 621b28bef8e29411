"""The spans of one request of the engine: its wait for a slot, its prefill, and its bursts."""

from dataclasses import dataclass, field

from barkserve.engine.batch import Batch, Prefill
from barkserve.engine.request import Request
from barkserve.tracing import MIN_QUEUE_S, Span, add_span, current_span, now_ns

MAX_BURSTS = 64
"""Bursts of a request that become events of its span. The others are counted."""


@dataclass
class RequestTrace:
    """Notes the times of one request, and makes spans of them when it has ended.

    Attributes:
        parent: the span of the RPC, which records.
        name: the name of the request's span.
    """

    parent: Span
    name: str
    _added_ns: int = field(default_factory=now_ns)
    _prefilled_ns: int = 0
    _bursts: int = 0
    _tokens: int = 0
    _events: list[tuple[int, int, int]] = field(default_factory=list)

    @classmethod
    def begin(cls, request: Request) -> "RequestTrace | None":
        """Begin the trace of a request that is added now; None unless the RPC's span records."""
        parent = current_span()
        return cls(parent, request.trace_name) if parent.is_recording() else None

    def batch_ended(self, batch: Batch, tokens: int) -> None:
        """Note that a batch with this request has ended.

        Args:
            batch: the batch.
            tokens: that this request drew.
        """
        self._tokens += tokens
        if isinstance(batch, Prefill):
            self._prefilled_ns = now_ns()
            return
        self._bursts += 1
        if self._bursts <= MAX_BURSTS:
            self._events.append((now_ns(), tokens, len(batch.requests)))

    def ended(self, request: Request) -> None:
        """Add the spans."""
        launched_ns = self._added_ns + int(request.queue_s * 1e9)
        attributes = {"barkserve.tokens": self._tokens, "barkserve.bursts": self._bursts}
        events = (
            ("burst", at_ns, {"barkserve.tokens": tokens, "barkserve.batch_size": size})
            for at_ns, tokens, size in self._events
        )
        own = add_span(self.parent, self.name, self._added_ns, now_ns(), attributes, events)
        if request.queue_s >= MIN_QUEUE_S:
            add_span(own, "queue", self._added_ns, launched_ns)
        if self._prefilled_ns:
            add_span(own, "prefill", launched_ns, self._prefilled_ns)
