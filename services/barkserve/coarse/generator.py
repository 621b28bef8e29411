"""Makes one utterance's coarse codes on the engine, window by window, as its semantic tokens
arrive. Knows no gRPC.
"""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from barkserve.checkpoint.bark_config import BarkConfig
from barkserve.coarse.windows import CoarseGeometry, CoarseHistory, WindowPlan, no_history
from barkserve.constants import DrawStream
from barkserve.engine.draws import uniforms
from barkserve.engine.engine import Engine
from barkserve.engine.playback import Playback
from barkserve.engine.request import Request, SamplingParams
from barkserve.engine.warm_up import single_item

FRAMES_PER_MESSAGE = 5
"""67 ms of speech: little to wait for, and a fifth of the messages."""


@dataclass(frozen=True)
class CoarseRequest:
    """How to code one utterance.

    Attributes:
        history: the voice.
        sampling: how codes are drawn.
        seed: names the draws.
        produced: (p, codebooks) int64, frames of this utterance that exist already.
    """

    history: CoarseHistory
    sampling: SamplingParams
    seed: int
    produced: NDArray[np.int64]


@dataclass
class CoarseRun:
    """What became of a generation; filled while it runs."""

    made: int = 0  # codes of the utterance, produced ones counted
    queue_s: float = 0.0
    compute_s: float = 0.0


class CoarseGenerator:
    """Turns an utterance into a series of sequences, one a window, that keep their slot while the
    window only grows.
    """

    def __init__(self, engine: Engine, config: BarkConfig) -> None:
        self._engine = engine
        self.geometry = CoarseGeometry.from_config(config)
        self._rate = config.coarse_generation.coarse_rate_hz * self.geometry.codebooks

    async def generate(
        self, request: CoarseRequest, semantic: AsyncIterator[list[int]], run: CoarseRun
    ) -> AsyncGenerator[NDArray[np.int64], None]:
        """Yields (n, codebooks) frames as they are made. Fills `run`."""
        plan, codes = WindowPlan(self.geometry, request.history), _Codes(self.geometry)
        codes.take_over(request.produced)
        run.made = len(codes.tokens)
        previous: Request | None = None
        playback = Playback(self._rate)
        try:
            while await self._window_comes(plan, len(codes.tokens), semantic):
                sequence = self._sequence(request, plan, codes.tokens, previous, playback)
                if previous is not None and sequence.continues is None:
                    self._engine.release(previous)  # the window slid: its cache is of no use
                previous = sequence
                async with aclosing(self._window(sequence, codes, run)) as parts:
                    async for frames in parts:
                        yield frames
        finally:
            if previous is not None:
                self._engine.release(previous)

    def warm_up(self) -> AsyncGenerator[NDArray[np.int64], None]:
        """A few frames, to be thrown away."""
        nothing = np.empty((0, self.geometry.codebooks), dtype=np.int64)
        request = CoarseRequest(no_history(), SamplingParams(), 0, nothing)
        return self.generate(request, single_item([0] * 2 * FRAMES_PER_MESSAGE), CoarseRun())

    async def _window(
        self, sequence: Request, codes: "_Codes", run: CoarseRun
    ) -> AsyncGenerator[NDArray[np.int64], None]:
        """Yields the frames of one window."""
        async with aclosing(self._engine.generate(sequence)) as steps:
            async for tokens in steps:
                frames = codes.push(tokens)
                run.made += frames.size
                if len(frames):
                    yield frames
        run.queue_s += sequence.queue_s
        run.compute_s += sequence.compute_s

    async def _window_comes(
        self, plan: WindowPlan, made: int, semantic: AsyncIterator[list[int]]
    ) -> bool:
        """Wait until the current window may run; False when the utterance is complete."""
        start = made - made % self.geometry.window
        while not plan.ready(start) and not plan.complete(made):
            tokens = await anext(semantic, None)
            if tokens is None:
                plan.end()
            else:
                plan.push(tokens)
        return not plan.complete(made)

    def _sequence(
        self,
        request: CoarseRequest,
        plan: WindowPlan,
        made: list[int],
        previous: Request | None,
        playback: Playback,
    ) -> Request:
        """The rest of the window that `made` ends in."""
        start = len(made) - len(made) % self.geometry.window
        all_made = np.array(made, dtype=np.int64)
        prompt = np.concatenate([plan.prompt(all_made[:start]), all_made[start:]])[:, None]
        left = start + plan.length(start) - len(made)
        return Request(
            prompt=prompt,
            max_tokens=left,
            sampling=request.sampling,
            uniforms=uniforms(request.seed, DrawStream.COARSE, len(made), left),
            heads=tuple(range(self.geometry.codebooks)),
            continues=previous if previous is not None and _grows_from(prompt, previous) else None,
            report_every=FRAMES_PER_MESSAGE * self.geometry.codebooks,
            hold=True,
            playback=playback,
        )


class _Codes:
    """An utterance's codes as the model counts them, and how many of them were handed on.

    Attributes:
        tokens: of all frames so far, and of one that is not whole.
    """

    def __init__(self, geometry: CoarseGeometry) -> None:
        self.tokens: list[int] = []
        self._sent = 0
        self._books = geometry.codebooks
        books = np.arange(geometry.codebooks)
        self._offsets = geometry.semantic_vocab_size + geometry.codebook_size * books

    def take_over(self, frames: NDArray[np.int64]) -> None:
        """(n, codebooks) frames that were made elsewhere."""
        self.tokens += map(int, (frames + self._offsets).reshape(-1))
        self._sent = len(self.tokens)

    def push(self, tokens: list[int]) -> NDArray[np.int64]:
        """More tokens; returns the (n, codebooks) frames that are whole with them."""
        self.tokens += tokens
        whole = len(self.tokens) - len(self.tokens) % self._books
        fresh = np.array(self.tokens[self._sent : whole], dtype=np.int64)
        self._sent = whole
        return fresh.reshape(-1, self._books) - self._offsets


def _grows_from(prompt: NDArray[np.int64], previous: Request) -> bool:
    """Whether the prompt is the previous sequence's prompt and tokens."""
    tokens = np.array(previous.tokens, dtype=np.int64)[:, None]
    return np.array_equal(prompt, np.concatenate([previous.prompt, tokens]))


def coarse_heads(config: BarkConfig) -> list[NDArray[np.int64]]:
    """The ids that each codebook's step may choose, one (V,) array a codebook.

    The last codebook's step leaves everything behind its codes open, as transformers'
    AlternatingCodebooksLogitsProcessor does.
    """
    geometry = CoarseGeometry.from_config(config)
    first = geometry.semantic_vocab_size
    size = geometry.codebook_size
    heads = [
        np.arange(first + size * book, first + size * (book + 1))
        for book in range(geometry.codebooks)
    ]
    heads[-1] = np.arange(heads[-1][0], config.coarse.output_vocab_size)
    return [head.astype(np.int64) for head in heads]
