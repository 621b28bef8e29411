"""Correctness on this device: greedy tokens against transformers' in float32.

In float32 every stage must produce transformers' tokens, alone and among other streams. With
--deterministic on, semantic and coarse must be equal alone and among others in every dtype. In 16
bits tokens differ once two logits are closer than the rounding; the share of equal tokens is
reported. An autoregressive stage continues differently after its first different token.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from barkclient.bench.results import Case, Result
from benchmarks.gpu.settings import Settings
from benchmarks.stages.barkserve_runner import STAGES, Stage
from benchmarks.stages.transformers_runner import TransformersBark
from benchmarks.stages.worker import Part, Work

PARTS: tuple[Part, ...] = ("semantic", "coarse", "fine", "codec")
_TOKENS, _SECONDS, _STREAMS = 120, 2.0, 11
_TINY_TOKENS, _TINY_SECONDS, _TINY_STREAMS = 20, 0.4, 2
_SAMPLE_TOLERANCE = 1e-4  # of samples, whose range is -1 to 1

Array = NDArray[Any]


def measure(settings: Settings) -> Iterator[Result]:
    """Compare every stage in every dtype of the device."""
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    for part in PARTS:
        expected = _expected(_work(settings, part, "float32"))
        for dtype in ("float32", "bfloat16", "float16"):
            if dtype != "float16" or settings.device != "cpu":
                yield _compared(settings, part, dtype, None, expected)
        if part in ("semantic", "coarse"):
            yield _compared(settings, part, settings.dtype, "on", expected)


def _work(settings: Settings, part: Part, dtype: str, deterministic: str | None = None) -> Work:
    tokens, seconds, streams = (
        (_TINY_TOKENS, _TINY_SECONDS, _TINY_STREAMS)
        if settings.tiny
        else (_TOKENS, _SECONDS, _STREAMS)
    )
    greedy = replace(settings.work_of(part, streams, dtype, deterministic), sampled=False)
    return replace(greedy, tokens=tokens, seconds=seconds)


def _expected(work: Work) -> Array:
    """Return transformers' tokens or samples, in the order of ours."""
    options = {"device": work.device, "dtype": "float32", "attention": "eager"}
    with torch.inference_mode():
        reference = TransformersBark(replace(work, options=options))
        (output,) = getattr(reference, work.part)().float().cpu().numpy()
    array: Array = output
    match work.part:
        case "coarse":
            frames: Array = array.reshape(-1, 2) - np.array([10_000, 11_024])
            return frames
        case "fine":
            return array.T
    return array.reshape(-1)


def _compared(
    settings: Settings, part: Part, dtype: str, deterministic: str | None, expected: Array
) -> Result:
    work = _work(settings, part, dtype, deterministic)
    alone, *others = asyncio.run(_produced(work))
    batched_equal = sum(np.array_equal(each, alone) for each in others)
    case: Case = {**settings.case, "part": part, "dtype": dtype, "streams": len(others)}
    if deterministic is not None:
        case = {**case, "deterministic": deterministic}
    metrics: dict[str, float | None] = {"batched_equal": batched_equal}
    if alone.shape != expected.shape:
        message = f"{alone.shape} instead of {expected.shape}"
        return Result("correctness", case, metrics, "failed", message)
    differences = np.abs(alone - expected)
    same = batched_equal == len(others)
    if part == "codec":
        metrics |= {"max_error": float(differences.max())}
        right = float(differences.max()) <= _SAMPLE_TOLERANCE
    else:
        metrics |= {"equal_share": float((differences == 0).mean())}
        right = not differences.any() and same
    if dtype == "float32" and not right:
        message = "float32 differs from transformers, or in a batch"
        return Result("correctness", case, metrics, "failed", message)
    if deterministic == "on" and not same:
        message = "--deterministic on differs in a batch"
        return Result("correctness", case, metrics, "failed", message)
    return Result("correctness", case, metrics)


async def _produced(work: Work) -> list[Array]:
    """Run a stream alone, then several at once."""
    stage: Stage = STAGES[work.part](work)
    await stage.start()

    async def one() -> Array:
        return np.concatenate([each async for each in stage.outputs()])

    alone = await one()
    others = await asyncio.gather(*(one() for _ in range(work.max_streams)))
    await stage.stop()
    return [alone, *others]
