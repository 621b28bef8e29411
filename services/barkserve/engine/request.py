"""One run of an autoregressive model: what to continue, how to draw, and how far it has come.

Knows no tensors and no slots' contents; the scheduler moves it through its states.
"""

from dataclasses import dataclass, field
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from barkserve.engine.playback import Playback


@dataclass(frozen=True)
class SamplingParams:
    """How a token is chosen from its logits.

    Attributes:
        temperature: divides the logits, above 0.
        top_k: draw among the k most likely only; 0 means all.
        top_p: draw among the fewest tokens whose probabilities sum to top_p; 1.0 means all.
        greedy: take the most likely token; nothing else is used then, except min_eos_p.
        min_eos_p: probability of the stop token above which it is taken at once; None means never.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    greedy: bool = False
    min_eos_p: float | None = None


@dataclass(frozen=True)
class Watch:
    """Attention that is to be noted while a sequence runs.

    Attributes:
        heads: (layer, head) each.
        first: the first position whose attention is noted.
        width: how many positions, from the start of the sequence, are looked at.
    """

    heads: tuple[tuple[int, int], ...]
    first: int
    width: int


class State(Enum):
    """Where a sequence is in its life."""

    WAITING = "waiting"  # for a slot
    RUNNING = "running"
    FINISHED = "finished"
    ABORTED = "aborted"


@dataclass(eq=False)
class Request:
    """A prompt and the tokens drawn behind it.

    Attributes:
        prompt: (n, C) int64, n >= 1 positions of C ids whose embeddings are summed, -1 for none.
        max_tokens: how many tokens to draw, at least 1.
        sampling: how to draw them.
        uniforms: (max_tokens,) float32, one draw a token.
        heads: token i is chosen from head heads[i % len(heads)] of the runner.
        stop_token: the token that ends the sequence, None if only max_tokens does. It is not among
            `tokens`.
        continues: an earlier sequence whose prompt and tokens this prompt begins with; if its slot
            is still held, only the positions that the slot lacks are computed.
        report_every: tokens that are handed on together, so that a message is not made of each.
        hold: keep the slot when finished, so that another sequence may continue this one.
        watch: the attention to be noted, None for none, which costs nothing.
        playback: what the stream that this is part of has made; None: it has no listener.
    """

    prompt: NDArray[np.int64]
    max_tokens: int
    sampling: SamplingParams
    uniforms: NDArray[np.float32]
    heads: tuple[int, ...] = (0,)
    stop_token: int | None = None
    continues: "Request | None" = None
    report_every: int = 1
    hold: bool = False
    watch: Watch | None = None
    playback: Playback | None = None

    # Set by the scheduler.
    came: float = field(default=0.0, init=False)  # when it was added
    state: State = field(default=State.WAITING, init=False)
    slot: int | None = field(default=None, init=False)
    cached: int = field(default=0, init=False)  # positions that the slot holds
    tokens: list[int] = field(default_factory=list, init=False)
    stopped: bool = field(default=False, init=False)  # the stop token was drawn
    settled: int = field(default=0, init=False)  # tokens that others may read: their steps are over

    # Set by the runner: one (heads, positions, width) float32 for each step.
    seen: list[NDArray[np.float32]] = field(default_factory=list, init=False)

    # Set by the engine.
    queue_s: float = field(default=0.0, init=False)
    compute_s: float = field(default=0.0, init=False)

    def record(self, token: int, positions: int) -> None:
        """A step has appended so many positions to the slot and drawn this token."""
        self.cached += positions
        self.stopped = token == self.stop_token
        if not self.stopped:
            self.tokens.append(token)

    def hand_on(self, now: float) -> None:
        """Let others read the tokens recorded since the last call, and account to the playback for
        them.
        """
        if self.playback is not None:
            self.playback.hand_on(len(self.tokens) - self.settled, now)
        self.settled = len(self.tokens)

    @property
    def complete(self) -> bool:
        """Whether nothing is left to draw."""
        return self.stopped or len(self.tokens) >= self.max_tokens

    @property
    def steps_to_report(self) -> int:
        """Steps until tokens are to be reported or the sequence is complete, 1 at least."""
        to_report = self.report_every - len(self.tokens) % self.report_every
        return max(1, min(to_report, self.max_tokens - len(self.tokens)))

    @property
    def dry_at(self) -> float | None:
        """When the listener has nothing left to hear; None when there is none who began."""
        return None if self.playback is None else self.playback.dry_at

    def pending(self) -> NDArray[np.int64]:
        """(n, C): the positions that must be computed before the next token can be drawn."""
        if self.cached < len(self.prompt):
            return self.prompt[self.cached :]
        ids = np.full((1, self.prompt.shape[1]), -1, dtype=np.int64)
        ids[0, 0] = self.tokens[-1]
        return ids

    @property
    def pending_count(self) -> int:
        """len(pending()), without building it."""
        return max(1, len(self.prompt) - self.cached)

    @property
    def next_head(self) -> int:
        """The head that the next token is chosen from."""
        return self.heads[len(self.tokens) % len(self.heads)]

    @property
    def next_uniform(self) -> float:
        """The next token's draw."""
        return float(self.uniforms[len(self.tokens)])
