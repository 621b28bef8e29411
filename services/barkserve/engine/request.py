"""One run of an autoregressive model: its prompt, its sampling, and its progress."""

import math
from dataclasses import dataclass, field
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from barkserve.engine.playback import Playback
from barkserve.request_id import RequestIds, current_ids


@dataclass(frozen=True)
class SamplingParams:
    """How a token is chosen from its logits.

    Attributes:
        temperature: divides the logits, above 0.
        top_k: draw among the k most likely tokens; 0: all.
        top_p: draw among the fewest tokens whose probabilities sum to top_p; 1.0: all.
        greedy: take the most likely token. Of the others only min_eos_p applies then.
        min_eos_p: probability of the stop token above which it is chosen; None: never.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    greedy: bool = False
    min_eos_p: float | None = None


@dataclass(frozen=True)
class Watch:
    """Attention to record while a request runs.

    Attributes:
        heads: (layer, head) pairs.
        first: the first position whose attention is recorded.
        width: number of positions, from the start of the prompt, that are looked at.
    """

    heads: tuple[tuple[int, int], ...]
    first: int
    width: int


class State(Enum):
    """The state of a request."""

    WAITING = "waiting"  # for a slot
    RUNNING = "running"
    FINISHED = "finished"
    ABORTED = "aborted"


@dataclass(eq=False)
class Request:
    """A prompt and the tokens drawn after it.

    Attributes:
        prompt: (n, C) int64, n >= 1 positions of C ids whose embeddings are summed, -1 for none.
        max_tokens: how many tokens to draw, at least 1.
        sampling: how to draw them.
        uniforms: (max_tokens,) float32, one random number per token.
        heads: token i is chosen from head heads[i % len(heads)] of the runner.
        stop_token: the token that ends the request; not part of `tokens`. None: only max_tokens
            ends it.
        continues: an earlier request whose prompt and tokens are the start of this prompt. If its
            slot is still held, only the missing positions are computed.
        report_every: number of tokens that are reported together, to save messages.
        ahead_s: a stream whose player has more audio than this, s, gets no report before the end,
            and one with more than half of it gets larger reports.
        hold: keep the slot when finished, for a request that continues this one.
        watch: the attention to record; None: none, at no cost.
        playback: the output of the stream that this request belongs to; None: not played.
        trace_name: the name of its span in a trace.
    """

    prompt: NDArray[np.int64]
    max_tokens: int
    sampling: SamplingParams
    uniforms: NDArray[np.float32]
    heads: range = range(1)
    stop_token: int | None = None
    continues: "Request | None" = None
    report_every: int = 1
    ahead_s: float = math.inf
    hold: bool = False
    watch: Watch | None = None
    playback: Playback | None = None
    trace_name: str = "generate"

    ids: RequestIds = field(default_factory=current_ids, init=False)  # for the log

    # Set by the scheduler.
    arrived_at: float = field(default=0.0, init=False)
    state: State = field(default=State.WAITING, init=False)
    slot: int | None = field(default=None, init=False)
    computed: int = field(default=0, init=False)  # launched positions of the prompt
    tokens: list[int] = field(default_factory=list, init=False)  # that were reported
    stopped: bool = field(default=False, init=False)  # the stop token was drawn
    queue_s: float = field(default=0.0, init=False)  # until its first batch was planned
    compute_s: float = field(default=0.0, init=False)  # of all its batches, once it has ended

    # Set by the runner: (heads, positions, width) float32 of each burst or portion of the prompt.
    attention: list[NDArray[np.float32]] = field(default_factory=list, init=False)

    @property
    def cached(self) -> int:
        """Positions in the slot of a finished request. The last token is not fed back."""
        return len(self.prompt) + len(self.tokens) - (0 if self.stopped else 1)

    @property
    def missing(self) -> int:
        """Number of positions of the prompt that are not launched."""
        return len(self.prompt) - self.computed

    @property
    def decodes_prompt(self) -> bool:
        """Whether the prompt misses only its last position, with one id: a burst can feed it."""
        return self.missing == 1 and not (self.prompt[-1, 1:] >= 0).any()

    @property
    def underrun_at(self) -> float | None:
        """When the stream's player underruns; None before its first output."""
        return None if self.playback is None else self.playback.underrun_at
