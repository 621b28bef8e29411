"""Runs `barkclient bench` against the services of the section `server`.

`barkserve up` starts this module, and tells it the address in BARKCLIENT_SERVER.
"""

import asyncio
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import TextIO

from barkclient.bench.benchmark import Benchmark
from barkclient.bench.plan import Plan
from barkclient.bench.report import results_of
from barkclient.bench.texts import SENTENCES
from benchmarks.gpu.settings import Settings


def plans(settings: Settings) -> Iterator[Plan]:
    """Yield what to measure: streams at once, then the highest rate that plays clean."""
    plan = Plan(
        loop="closed",
        loads=(1,),
        saturate=False,
        max_load=256.0,
        max_s=60.0,
        texts=SENTENCES,
        voice=None,
        seed=0,
        count=2 if settings.tiny else 4,
        duration_s=None,
        warmup=1,
        timeout_s=120.0,
    )
    yield plan
    for streams in settings.streams[1:]:
        yield replace(plan, loads=(streams,), count=2 * streams)
    if settings.tiny:
        yield replace(plan, loop="open", loads=(4.0,))
    else:
        yield replace(plan, loop="open", loads=(4.0,), saturate=True, count=None)


async def measure(server: str, settings: Settings, file: TextIO) -> None:
    """Run every plan, and write the results of each as lines of JSON."""
    for plan in plans(settings):
        benchmark = Benchmark(plan, server, sys.stderr)
        await benchmark.run()
        for result in results_of(benchmark).results:
            print(json.dumps(asdict(result)), file=file, flush=True)


def main() -> None:
    """Measure the server that the environment names."""
    settings, path = sys.argv[1:]
    with open(path, "w", encoding="utf-8") as file:
        server = os.environ["BARKCLIENT_SERVER"]
        asyncio.run(measure(server, Settings.parse(settings), file))


if __name__ == "__main__":
    main()
