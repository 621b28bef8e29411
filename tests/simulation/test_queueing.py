"""The simulation's engines compared with the formulas of queueing theory."""

import asyncio
import math
import random
import statistics
from collections.abc import Awaitable, Callable

import numpy as np
import pytest

from barkserve.engine.request import Request, SamplingParams
from barkserve.simulation.batch_engine import BatchEngine
from barkserve.simulation.decode_engine import DecodeEngine
from barkserve.simulation.device import OwnDevice, SharedDevice
from barkserve.simulation.profile import StageTimes
from barkserve.simulation.time_table import TimeTable
from barkserve.simulation.virtual_time import now, run_in_virtual_time

Serve = Callable[[float], Awaitable[None]]


async def mean_time(serve: Serve, rate: float, mean_s: float, count: int) -> tuple[float, float]:
    """Serve Poisson arrivals of exponential work; return mean seconds in the system and of work."""
    draw, times, works = random.Random(1), list[float](), list[float]()

    async def one(work_s: float) -> None:
        began = now()
        await serve(work_s)
        times.append(now() - began)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(count):
            await asyncio.sleep(draw.expovariate(rate))
            works.append(draw.expovariate(1 / mean_s))
            tasks.create_task(one(works[-1]))
    return statistics.mean(times), statistics.mean(works)


def erlang_c(servers: int, load: float) -> float:
    """Return the probability that an arrival waits, for a load in busy servers."""
    terms = [load**n / math.factorial(n) for n in range(servers)]
    last = load**servers / math.factorial(servers) * servers / (servers - load)
    return last / (sum(terms) + last)


def test_decode_engine_waits_as_an_mmc_queue() -> None:
    """With equal steps for any number of rows, each slot is a server."""
    servers, step_s, mean_tokens, busy = 4, 0.001, 60, 0.8
    times = StageTimes(TimeTable([1], [step_s]), TimeTable([1], [0.0]), servers)

    async def run() -> tuple[float, float]:
        engine = DecodeEngine(times, OwnDevice(), interruptible=False)

        async def serve(work_s: float) -> None:
            tokens = max(1, round(work_s / step_s))
            request = Request(
                np.zeros((1, 1), dtype=np.int64),
                tokens,
                SamplingParams(),
                np.empty(0, dtype=np.float32),
                report_every=10_000,
            )
            async for _ in engine.generate(request):
                pass

        mean_s = mean_tokens * step_s
        result = await mean_time(serve, busy * servers / mean_s, mean_s, 4000)
        engine.stop()
        return result

    in_system_s, work_s = run_in_virtual_time(run())
    load = busy * servers
    expected_s = erlang_c(servers, load) * mean_tokens * step_s / (servers - load)
    assert in_system_s - work_s == pytest.approx(expected_s, rel=0.15)


def test_batch_engine_waits_as_an_mm1_queue() -> None:
    times = StageTimes(TimeTable([0, 1], [0.0, 1.0]), None, 1)

    async def run() -> tuple[float, float]:
        engine = BatchEngine(times, OwnDevice())

        async def serve(work_s: float) -> None:
            await engine.submit(work_s, now())

        result = await mean_time(serve, 0.7, 1.0, 8_000)
        engine.stop()
        return result

    in_system_s, _ = run_in_virtual_time(run())
    assert in_system_s == pytest.approx(1 / (1 - 0.7), rel=0.1)


def test_shared_device_takes_as_long_as_processor_sharing() -> None:
    async def run() -> tuple[float, float]:
        return await mean_time(SharedDevice(1.0).compute, 0.6, 1.0, 8_000)

    in_system_s, _ = run_in_virtual_time(run())
    assert in_system_s == pytest.approx(1 / (1 - 0.6), rel=0.1)


def test_shared_device_runs_at_full_speed_with_free_units() -> None:
    async def run() -> tuple[float, float]:
        device = SharedDevice(2.0)
        await asyncio.gather(device.compute(1.0), device.compute(3.0))
        at = now()
        await asyncio.gather(*(device.compute(1.0) for _ in range(3)))
        return at, now() - at

    assert run_in_virtual_time(run()) == pytest.approx((3.0, 1.5))
