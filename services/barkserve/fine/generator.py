"""Fills one utterance's codebooks as its coarse frames arrive, streaming or exact."""

from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from time import monotonic, perf_counter

import numpy as np
from numpy.typing import NDArray

from barkserve.checkpoint.bark_config import BarkConfig
from barkserve.constants import DrawStream
from barkserve.engine.batcher import Batcher
from barkserve.engine.draws import uniforms
from barkserve.engine.playback import Playback
from barkserve.engine.warm_up import SAMPLING, single_item
from barkserve.fine.job import FillJob
from barkserve.fine.windows import ChunkPlan, FineGeometry, Window

Codes = NDArray[np.int64]


@dataclass(frozen=True)
class FineRequest:
    """The parameters of one utterance.

    Attributes:
        history: (h, codebooks) int64, the voice's codes; the last max_fine_history_length frames
            count.
        temperature: divides the logits; None: greedy.
        seed: seed of the draws.
        chunks: when to fill while streaming; None: fill once, exactly, when all frames are known.
        produced: (p, codebooks) int64, frames of this utterance that exist already.
        speaking_rate: how fast the speech is played.
    """

    history: Codes
    temperature: float | None
    seed: int
    chunks: ChunkPlan | None
    produced: Codes
    speaking_rate: float = 1.0


@dataclass
class FineRun:
    """Counts of one utterance, updated while it runs."""

    made: int = 0  # frames of the utterance, produced ones included
    compute_s: float = 0.0


class FineGenerator:
    """Turns an utterance's coarse frames into frames of all codebooks."""

    def __init__(self, batcher: Batcher[FillJob, Codes], config: BarkConfig) -> None:
        self._batcher = batcher
        self._geometry = FineGeometry.from_config(config.fine_generation)
        self._codebook_size = config.codebook_size
        self._frame_rate = config.codec.frame_rate
        self._books = config.fine_generation.n_fine_codebooks
        self._given = config.coarse_generation.n_coarse_codebooks

    async def generate(
        self, request: FineRequest, coarse: AsyncIterator[Codes], run: FineRun
    ) -> AsyncGenerator[Codes, None]:
        """Generate the frames of an utterance.

        Args:
            request: the parameters.
            coarse: chunks of (n, coarse codebooks); codes are taken modulo codebook_size, as the
                reference does.
            run: receives the counts.

        Yields:
            (n, codebooks) int64 frames, in order, without produced ones.
        """
        known = np.empty((0, self._given), dtype=np.int64)
        released = request.produced
        run.made = len(released)
        fixed = 0  # frames that earlier chunks of the plan released, in this call or before
        fills = request.chunks.fills() if request.chunks else iter(())
        ended = False
        playback = Playback(self._frame_rate * request.speaking_rate)
        while not ended:
            fill_at = next(fills, None)
            known = await _gather(coarse, known, fill_at)
            ended = fill_at is None or len(known) < fill_at
            frames = known if ended else known[:fill_at]
            lookahead = 0 if ended or not request.chunks else request.chunks.lookahead
            release_to = len(frames) - lookahead
            if release_to > len(released):
                filled = await self._fill(request, frames, released[:fixed], run, playback)
                fresh = filled[len(released) : release_to]
                released = np.concatenate([released, fresh])
                run.made += len(fresh)
                playback.publish(len(fresh), monotonic())
                yield fresh
            fixed = release_to

    def warm_up(self) -> AsyncGenerator[Codes, None]:
        """Fill one meaningless window with a voice, as the first chunk of an utterance."""
        nothing = np.empty((0, self._books), dtype=np.int64)
        voice = np.zeros((self._geometry.hop, self._books), dtype=np.int64)
        chunks = ChunkPlan(first=1, growth=1.0, most=1, lookahead=0)
        request = FineRequest(voice, SAMPLING.temperature, 0, chunks, nothing)
        coarse = np.zeros((1, self._given), dtype=np.int64)
        return self.generate(request, single_item(coarse), FineRun())

    async def _fill(
        self,
        request: FineRequest,
        frames: Codes,
        fixed: Codes,
        run: FineRun,
        playback: Playback,
    ) -> Codes:
        """Fill all frames as if the utterance ended with them. Frames in `fixed` keep their codes.

        Returns:
            (n, codebooks).
        """
        history = request.history[-self._geometry.hop :]
        windows = self._geometry.windows_beyond(len(history), len(frames), len(fixed))
        codes = self._start_codes(history, frames, fixed, windows[0])
        draws = self._draws(request, history, frames)
        exact = request.chunks is None
        started, deadline = perf_counter(), playback.deadline(monotonic())
        for window in windows:
            part = slice(window.start, window.start + self._geometry.length)
            fill_from = window.fill_from - window.start
            job = FillJob(codes[part], fill_from, request.temperature, draws[part], exact)
            codes[part] = await self._batcher.submit(exact, job, deadline)
        run.compute_s += perf_counter() - started
        return codes[len(history) : len(history) + len(frames)]

    def _start_codes(self, history: Codes, known: Codes, fixed: Codes, first: Window) -> Codes:
        """Lay out history, coarse codes, fixed codes and padding: (T, codebooks)."""
        length = max(len(history) + len(known), self._geometry.length)
        codes = np.full((length, self._books), self._codebook_size, dtype=np.int64)
        codes[: len(history)] = history
        utterance = codes[len(history) : len(history) + len(known)]
        utterance[:, : self._given] = known % self._codebook_size
        kept = min(len(fixed), max(0, first.fill_from - len(history)))
        utterance[:kept] = fixed[:kept]
        return codes

    def _draws(self, request: FineRequest, history: Codes, known: Codes) -> NDArray[np.float32]:
        """Return (T, codebooks) uniforms that depend on a frame's place in the utterance only."""
        length = max(len(history) + len(known), self._geometry.length)
        draws = np.zeros((length, self._books), dtype=np.float32)
        if request.temperature is not None:
            count = (length - len(history)) * self._books
            flat = uniforms(request.seed, DrawStream.FINE, 0, count)
            draws[len(history) :] = flat.reshape(-1, self._books)
        return draws


async def _gather(chunks: AsyncIterator[Codes], known: Codes, count: int | None) -> Codes:
    """Append chunks to `known` until there are `count` frames (None: all) or no more chunks."""
    parts = [known]
    have = len(known)
    while count is None or have < count:
        chunk = await anext(chunks, None)
        if chunk is None:
            break
        parts.append(chunk)
        have += len(chunk)
    return np.concatenate(parts)
