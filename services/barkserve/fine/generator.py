"""Fills one utterance's codebooks as its coarse frames arrive, streaming or exact. Knows no gRPC
and no torch.
"""

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
from barkserve.engine.warm_up import single_item
from barkserve.fine.job import FillJob
from barkserve.fine.windows import ChunkPlan, FineGeometry, Window

Codes = NDArray[np.int64]


@dataclass(frozen=True)
class FineRequest:
    """How to fill one utterance.

    Attributes:
        history: (h, codebooks) int64, the voice's codes; the last max_fine_history_length frames
            count.
        temperature: how codes are drawn; None takes the most likely ones.
        seed: names the draws.
        chunks: when to fill while streaming; None fills once, exactly, when all frames are there.
        produced: (p, codebooks) int64, frames of this utterance that exist already.
    """

    history: Codes
    temperature: float | None
    seed: int
    chunks: ChunkPlan | None
    produced: Codes


@dataclass
class FineRun:
    """What became of an utterance; filled while it runs."""

    made: int = 0  # frames of the utterance, produced ones counted
    compute_s: float = 0.0


class FineGenerator:
    """Turns an utterance's coarse frames into frames of all codebooks."""

    def __init__(self, batcher: Batcher[FillJob, Codes], config: BarkConfig) -> None:
        self._batcher = batcher
        self._geometry = FineGeometry.from_config(config.fine_generation)
        self._codebook_size = config.codebook_size
        self._rate = config.coarse_generation.coarse_rate_hz
        self._books = config.fine_generation.n_fine_codebooks
        self._given = config.coarse_generation.n_coarse_codebooks

    async def generate(
        self, request: FineRequest, coarse: AsyncIterator[Codes], run: FineRun
    ) -> AsyncGenerator[Codes, None]:
        """Yields (n, codebooks) frames, each once and in order, produced ones not again. Fills
        `run`.

        Args:
            request: how to fill.
            coarse: pieces of (n, coarse codebooks); codes are taken modulo codebook_size, as the
                reference does.
            run: gets the counts.
        """
        known = np.empty((0, self._given), dtype=np.int64)
        released = request.produced
        run.made = len(released)
        settled = 0  # frames that earlier chunks of the plan released, here or elsewhere
        fills = request.chunks.fills() if request.chunks else iter(())
        ended = False
        playback = Playback(self._rate)
        while not ended:
            fill_at = next(fills, None)
            known = await _gather(coarse, known, fill_at)
            ended = fill_at is None or len(known) < fill_at
            frames = known if ended else known[:fill_at]
            lookahead = 0 if ended or not request.chunks else request.chunks.lookahead
            release_to = len(frames) - lookahead
            if release_to > len(released):
                filled = await self._fill(request, frames, released[:settled], run, playback)
                fresh = filled[len(released) : release_to]
                released = np.concatenate([released, fresh])
                run.made += len(fresh)
                playback.publish(len(fresh), monotonic())
                yield fresh
            settled = release_to

    def warm_up(self) -> AsyncGenerator[Codes, None]:
        """One window, to be thrown away."""
        nothing = np.empty((0, self._books), dtype=np.int64)
        request = FineRequest(nothing, None, 0, None, nothing)
        coarse = np.zeros((1, self._given), dtype=np.int64)
        return self.generate(request, single_item(coarse), FineRun())

    async def _fill(
        self,
        request: FineRequest,
        frames: Codes,
        settled: Codes,
        run: FineRun,
        playback: Playback,
    ) -> Codes:
        """(n, books): all frames, filled as if the utterance ended with them, `settled` kept."""
        history = request.history[-self._geometry.hop :]
        windows = self._geometry.windows_beyond(len(history), len(frames), len(settled))
        codes = self._start_codes(history, frames, settled, windows[0])
        draws = self._draws(request, history, frames)
        started, due = perf_counter(), playback.deadline(monotonic())
        for window in windows:
            part = slice(window.start, window.start + self._geometry.length)
            fill_from = window.fill_from - window.start
            job = FillJob(codes[part], fill_from, request.temperature, draws[part])
            codes[part] = await self._batcher.submit(None, job, due)
        run.compute_s += perf_counter() - started
        return codes[len(history) : len(history) + len(frames)]

    def _start_codes(self, history: Codes, known: Codes, settled: Codes, first: Window) -> Codes:
        """(T, books): history, coarse codes, settled codes before the first fill, padding."""
        length = max(len(history) + len(known), self._geometry.length)
        codes = np.full((length, self._books), self._codebook_size, dtype=np.int64)
        codes[: len(history)] = history
        utterance = codes[len(history) : len(history) + len(known)]
        utterance[:, : self._given] = known % self._codebook_size
        kept = min(len(settled), max(0, first.fill_from - len(history)))
        utterance[:kept] = settled[:kept]
        return codes

    def _draws(self, request: FineRequest, history: Codes, known: Codes) -> NDArray[np.float32]:
        """(T, books) uniforms; a frame's draws depend on its place in the utterance only."""
        length = max(len(history) + len(known), self._geometry.length)
        draws = np.zeros((length, self._books), dtype=np.float32)
        if request.temperature is not None:
            count = (length - len(history)) * self._books
            flat = uniforms(request.seed, DrawStream.FINE, 0, count)
            draws[len(history) :] = flat.reshape(-1, self._books)
        return draws


async def _gather(pieces: AsyncIterator[Codes], known: Codes, count: int | None) -> Codes:
    """`known` and further pieces until `count` frames are there, all of them if None, or the pieces
    end.
    """
    parts = [known]
    have = len(known)
    while count is None or have < count:
        piece = await anext(pieces, None)
        if piece is None:
            break
        parts.append(piece)
        have += len(piece)
    return np.concatenate(parts)
