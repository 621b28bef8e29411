"""Measures the times of each stage's model, without gRPC and with the machine to itself."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

import numpy as np

from barkserve.building import coarse, codec, fine, semantic
from barkserve.codec.generator import CodecRun
from barkserve.config.stages import CoarseOptions, CodecOptions, FineOptions, SemanticOptions
from barkserve.engine.engine import Engine
from barkserve.engine.request import Request, SamplingParams
from barkserve.fine.generator import FineRequest, FineRun
from barkserve.fine.windows import ChunkPlan
from barkserve.serving.metrics import Metrics
from barkserve.simulation.profile import StageTimes
from barkserve.simulation.time_table import TimeTable
from benchmarks.stages.inputs import Voice, codes

ROWS = (1, 2, 4, 8, 16)
_SHORT, _LONG = 16, 48  # tokens of two runs, whose difference is steps alone
_SAMPLING = SamplingParams(temperature=0.7, top_k=50)
_RUNS = 2
_CODEC_FRAMES = (22, 75)

Options = dict[str, Any]


async def semantic_times(options: Options) -> StageTimes:
    """Measure the semantic model."""
    parts = semantic.build_parts(SemanticOptions(**options), Metrics("semantic"))
    positions = parts.checkpoint.bark.semantic_generation.prompt_length
    await parts.start()
    times = await _causal(parts.loop, (positions,), 1)
    await parts.loop.stop()
    return times


async def coarse_times(options: Options) -> StageTimes:
    """Measure the coarse model, with an empty history and with a full one."""
    parts = coarse.build_parts(CoarseOptions(**options), Metrics("coarse"))
    geometry = parts.generator.geometry
    shortest = geometry.max_input + 1
    await parts.start()
    lengths = (shortest, shortest + geometry.max_history)
    times = await _causal(parts.loop, lengths, geometry.codebooks)
    await parts.loop.stop()
    return times


async def fine_times(options: Options, most: int) -> tuple[StageTimes, ChunkPlan]:
    """Measure fills of one window and of a full batch; returns the chunk plan, too."""
    parts = fine.build_parts(FineOptions(**options), Metrics("fine"))
    await parts.start()
    plan = parts.planner.plan
    nothing = np.empty((0, 8), dtype=np.int64)
    request = FineRequest(Voice.none().fine, 0.5, 0, plan, nothing)
    frames = codes(plan.first + plan.lookahead, 2)

    def one() -> AsyncGenerator[Any, None]:
        return parts.generator.generate(request, _once(frames), FineRun())

    loop, seconds = parts.loop, dict[float, float]()
    for windows in sorted({1, most}):
        seconds[windows] = await _fastest(windows, one, lambda: (loop.busy_s, loop.bursts))
    await parts.loop.stop()
    return StageTimes(TimeTable(list(seconds), list(seconds.values())), None, most), plan


async def codec_times(options: Options, most: int) -> StageTimes:
    """Measure the codec by frames."""
    parts = codec.build_parts(CodecOptions(**options), Metrics("codec"))
    await parts.start()
    loop, seconds = parts.loop, list[float]()
    for frames in _CODEC_FRAMES:
        item = codes(frames, 8)

        def one(item: Any = item) -> AsyncGenerator[Any, None]:
            return parts.generator.generate(_once(item), 0, CodecRun())

        seconds.append(await _fastest(1, one, lambda: (loop.busy_s, 1)))
    await parts.loop.stop()
    return StageTimes(TimeTable(_CODEC_FRAMES, seconds), None, most)


async def _causal(engine: Engine, lengths: tuple[int, ...], heads: int) -> StageTimes:
    """Measure steps by rows, and prompts by positions."""
    rows = [count for count in ROWS if count <= engine.slots]
    steps = [await _step_s(engine, lengths[-1], heads, count) for count in rows]
    prompts = []
    for positions in lengths:
        short_s = await _busy_s(engine, positions, heads, 1, _SHORT)
        prompts.append(max(0.0, short_s - (_SHORT - 1) * steps[0]))
    return StageTimes(TimeTable(rows, steps), TimeTable(lengths, prompts), engine.slots)


async def _step_s(engine: Engine, positions: int, heads: int, rows: int) -> float:
    short_s = await _busy_s(engine, positions, heads, rows, _SHORT)
    long_s = await _busy_s(engine, positions, heads, rows, _LONG)
    return max(1e-6, (long_s - short_s) / (_LONG - _SHORT))


async def _busy_s(engine: Engine, positions: int, heads: int, rows: int, tokens: int) -> float:
    """Measure the fastest of some runs of equal requests."""

    def one() -> AsyncGenerator[Any, None]:
        request = Request(
            np.zeros((positions, 1), dtype=np.int64),
            tokens,
            _SAMPLING,
            np.full(tokens, 0.5, dtype=np.float32),
            heads=range(heads),
            report_every=8,
        )
        return engine.generate(request)

    return await _fastest(rows, one, lambda: (engine.busy_s, 1))


async def _fastest(
    streams: int,
    one: Callable[[], AsyncGenerator[Any, None]],
    busy: Callable[[], tuple[float, int]],
) -> float:
    """Return the least seconds of computation per pass, of some runs of equal streams."""

    async def run() -> None:
        async with aclosing(one()) as parts:
            async for _ in parts:
                pass

    best = float("inf")
    for _ in range(_RUNS):
        before_s, before = busy()
        await asyncio.gather(*(run() for _ in range(streams)))
        after_s, after = busy()
        best = min(best, (after_s - before_s) / max(1, after - before))
    return best


async def _once(item: Any) -> AsyncIterator[Any]:
    yield item
