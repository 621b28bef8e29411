"""Generates one utterance's coarse codes window by window, while semantic tokens arrive."""

import math
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from barkserve.checkpoint.bark_config import BarkConfig
from barkserve.coarse.windows import CoarseGeometry, CoarseHistory, WindowPlan, cut_history
from barkserve.constants import DrawStream
from barkserve.engine.draws import uniforms
from barkserve.engine.engine import Engine
from barkserve.engine.playback import Playback
from barkserve.engine.request import Request, SamplingParams
from barkserve.engine.warm_up import SAMPLING, single_item

FRAMES_PER_MESSAGE = 5
"""67 ms of speech: a short delay for a fifth of the messages."""

AHEAD_S = 2.0
"""A stream whose player has so much more audio gets one message for each window. The fine stage
holds back up to one of these seconds."""


@dataclass(frozen=True)
class CoarseRequest:
    """The parameters of one utterance.

    Attributes:
        history: the voice.
        sampling: how codes are drawn.
        seed: seed of the draws.
        produced: (p, codebooks) int64, frames of this utterance that exist already.
        speaking_rate: how fast the speech is played.
    """

    history: CoarseHistory
    sampling: SamplingParams
    seed: int
    produced: NDArray[np.int64]
    speaking_rate: float = 1.0


@dataclass
class CoarseRun:
    """Counts of one utterance, updated while it runs."""

    made: int = 0  # codes of the utterance, produced ones included
    queue_s: float = 0.0
    compute_s: float = 0.0


class CoarseGenerator:
    """Generates an utterance as a series of engine requests, one per window.

    A request continues the slot of the one before while the window only grows.
    """

    def __init__(self, engine: Engine, config: BarkConfig) -> None:
        self._engine = engine
        self.geometry = CoarseGeometry.from_config(config)
        self._token_rate = config.codec.frame_rate * self.geometry.codebooks

    async def generate(
        self, request: CoarseRequest, semantic: AsyncIterator[list[int]], run: CoarseRun
    ) -> AsyncGenerator[NDArray[np.int64], None]:
        """Generate an utterance.

        Args:
            request: the parameters.
            semantic: the semantic tokens, as they arrive.
            run: receives the counts.

        Yields:
            (n, codebooks) int64 frames.
        """
        plan, codes = WindowPlan(self.geometry, request.history), _Codes(self.geometry)
        codes.add_produced(request.produced)
        run.made = len(codes.tokens)
        previous: Request | None = None
        playback = Playback(self._token_rate * request.speaking_rate)
        try:
            while await self._wait_for_window(plan, len(codes.tokens), semantic):
                engine_request = self._engine_request(
                    request, plan, codes.tokens, previous, playback
                )
                if previous is not None and engine_request.continues is None:
                    self._engine.release(previous)  # the window slid: its cache is useless
                previous = engine_request
                async with aclosing(self._window(engine_request, codes, run)) as steps:
                    async for frames in steps:
                        yield frames
        finally:
            if previous is not None:
                self._engine.release(previous)

    def warm_up(self) -> AsyncGenerator[NDArray[np.int64], None]:
        """Generate a window of meaningless frames with a voice, and begin a second one."""
        geometry = self.geometry
        nothing = np.empty((0, geometry.codebooks), dtype=np.int64)
        semantic = np.zeros(geometry.max_semantic_history + 2, dtype=np.int64)
        coarse = np.zeros((geometry.max_history, geometry.codebooks), dtype=np.int64)
        request = CoarseRequest(cut_history(semantic, coarse, geometry), SAMPLING, 0, nothing)
        frames = geometry.window // geometry.codebooks + 2
        tokens = [0] * math.ceil(frames * geometry.codebooks / geometry.ratio)
        return self.generate(request, single_item(tokens), CoarseRun())

    async def _window(
        self, engine_request: Request, codes: "_Codes", run: CoarseRun
    ) -> AsyncGenerator[NDArray[np.int64], None]:
        """Run one window and yield its frames."""
        async with aclosing(self._engine.generate(engine_request)) as steps:
            async for tokens in steps:
                frames = codes.push(tokens)
                run.made += frames.size
                if len(frames):
                    yield frames
        run.queue_s += engine_request.queue_s
        run.compute_s += engine_request.compute_s

    async def _wait_for_window(
        self, plan: WindowPlan, made: int, semantic: AsyncIterator[list[int]]
    ) -> bool:
        """Wait until the current window can run. Returns False if the utterance is complete."""
        start = made - made % self.geometry.window
        while not plan.ready(start) and not plan.complete(made):
            tokens = await anext(semantic, None)
            if tokens is None:
                plan.end()
            else:
                plan.push(tokens)
        return not plan.complete(made)

    def _engine_request(
        self,
        request: CoarseRequest,
        plan: WindowPlan,
        made: list[int],
        previous: Request | None,
        playback: Playback,
    ) -> Request:
        """Make the request for the rest of the window in which `made` ends."""
        start = len(made) - len(made) % self.geometry.window
        all_made = np.array(made, dtype=np.int64)
        prompt = np.concatenate([plan.prompt(all_made[:start]), all_made[start:]])[:, None]
        left = start + plan.length(start) - len(made)
        return Request(
            prompt=prompt,
            max_tokens=left,
            sampling=request.sampling,
            uniforms=uniforms(request.seed, DrawStream.COARSE, len(made), left),
            heads=range(self.geometry.codebooks),
            continues=previous if previous is not None and _continues(prompt, previous) else None,
            report_every=FRAMES_PER_MESSAGE * self.geometry.codebooks,
            ahead_s=AHEAD_S,
            hold=True,
            playback=playback,
            trace_name="window",
        )


class _Codes:
    """An utterance's codes as token ids of the model.

    Attributes:
        tokens: tokens of all frames so far, and of an incomplete one.
    """

    def __init__(self, geometry: CoarseGeometry) -> None:
        self.tokens: list[int] = []
        self._sent = 0
        self._books = geometry.codebooks
        books = np.arange(geometry.codebooks)
        self._offsets = geometry.semantic_vocab_size + geometry.codebook_size * books

    def add_produced(self, frames: NDArray[np.int64]) -> None:
        """Add (n, codebooks) frames that exist already."""
        self.tokens += map(int, (frames + self._offsets).reshape(-1))
        self._sent = len(self.tokens)

    def push(self, tokens: list[int]) -> NDArray[np.int64]:
        """Add tokens; return the (n, codebooks) frames that they complete."""
        self.tokens += tokens
        whole = len(self.tokens) - len(self.tokens) % self._books
        fresh = np.array(self.tokens[self._sent : whole], dtype=np.int64)
        self._sent = whole
        return fresh.reshape(-1, self._books) - self._offsets


def _continues(prompt: NDArray[np.int64], previous: Request) -> bool:
    """Whether the prompt equals the previous request's prompt and tokens."""
    tokens = np.array(previous.tokens, dtype=np.int64)[:, None]
    return np.array_equal(prompt, np.concatenate([previous.prompt, tokens]))


def coarse_heads(config: BarkConfig) -> list[NDArray[np.int64]]:
    """Return the ids that each codebook's step chooses from, one (V,) array per codebook.

    The last codebook's step may also choose the ids after its codes, as in transformers'
    AlternatingCodebooksLogitsProcessor.
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
