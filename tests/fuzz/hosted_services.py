"""Runs all services in a process of their own: `python -m tests.fuzz.hosted_services FOLDER`.

One event loop serves all, so one clock sees the longest stall of any. The process prints the
addresses as a JSON object, then answers each line on standard input with a JSON
object of its state, until standard input closes.
"""

import asyncio
import json
import logging
import sys
import threading
import time
import traceback
from contextlib import AsyncExitStack
from pathlib import Path

import torch

from barkserve.building import autoscaler
from barkserve.checkpoint.folder import bundled_checkpoint
from barkserve.config.autoscaler import AutoscalerOptions
from barkserve.constants import STAGES
from barkserve.serving.garbage import ignore_present_objects
from tests.support.gateway import running_gateway
from tests.support.services import RunningService, running, running_built

TICK_S = 0.005
_REPORTED_STALL_S = 0.05
"""The watcher prints the stack of an event loop that has not run for so long."""


class StallMeter:
    """Measures how long the event loop was kept from running other tasks.

    Attributes:
        longest_s: wall-clock time, which includes that of other processes on a busy machine.
        longest_cpu_s: time that the event loop's thread computed, which does not.
    """

    def __init__(self) -> None:
        self.reset()
        self._thread = threading.main_thread().ident
        self._ticked_at = time.monotonic()
        self._watcher = threading.Thread(target=self._watch, daemon=True)

    def reset(self) -> None:
        """Forget the stalls so far."""
        self.longest_s = self.longest_cpu_s = 0.0

    async def run(self) -> None:
        """Measure until cancelled. Must run in the main thread."""
        self._ticked_at = time.monotonic()
        self._watcher.start()
        while True:
            cpu = time.thread_time()
            await asyncio.sleep(TICK_S)
            now = time.monotonic()
            self.longest_s = max(self.longest_s, now - self._ticked_at - TICK_S)
            self.longest_cpu_s = max(self.longest_cpu_s, time.thread_time() - cpu)
            self._ticked_at = now

    def _watch(self) -> None:
        """Print the stack of the event loop's thread while it stalls."""
        reported = 0.0
        while True:
            time.sleep(_REPORTED_STALL_S / 2)
            ticked_at = self._ticked_at
            if time.monotonic() - ticked_at > _REPORTED_STALL_S and ticked_at != reported:
                reported = ticked_at
                stack = traceback.format_stack(sys._current_frames()[self._thread], limit=12)
                print(
                    "the event loop stalls in\n" + "".join(stack[-8:]), flush=True, file=sys.stderr
                )


async def serve(folder: Path) -> None:
    """Serve until standard input closes."""
    checkpoint = bundled_checkpoint()
    async with AsyncExitStack() as stack:
        services: dict[str, RunningService] = {}
        for stage in STAGES:
            services[stage] = await stack.enter_async_context(running(stage, checkpoint, threads=1))
        addresses = {stage: services[stage].address for stage in STAGES}
        services["orchestrator"] = await stack.enter_async_context(
            running("orchestrator", checkpoint, voice_store=str(folder), **addresses)
        )
        options = AutoscalerOptions(
            port=0, metrics_port=0, orchestrator=services["orchestrator"].address, **addresses
        )
        services["autoscaler"] = await stack.enter_async_context(
            running_built("autoscaler", lambda metrics: autoscaler.build(options, metrics))
        )
        gateway = await stack.enter_async_context(running_gateway(services["orchestrator"].address))
        ignore_present_objects()  # as `serve` does
        meter = StallMeter()
        measuring = asyncio.create_task(meter.run())
        addresses = {name: each.address for name, each in services.items()}
        http = {"http": gateway.url, "wyoming": gateway.wyoming_url}
        print(json.dumps({"grpc": addresses, **http}), flush=True)
        while await asyncio.to_thread(sys.stdin.readline):
            state = {
                "streams": sum(round(each.load().streams) for each in services.values()),
                "stall_s": meter.longest_s,
                "stall_cpu_s": meter.longest_cpu_s,
                "rss_bytes": _rss_bytes(),
            }
            meter.reset()
            print(json.dumps(state), flush=True)
        measuring.cancel()


def _rss_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    torch.set_num_threads(1)
    asyncio.run(serve(Path(sys.argv[1])))
