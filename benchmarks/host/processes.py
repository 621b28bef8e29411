"""Measure the CPU time of all processes with a simulated device, for each stream and message.

The models only wait as long as a device would, so all CPU time is the host's. Everything else is
real: servers, engines, messages. Thread switches stand for the contention for the interpreter lock:
a thread that waits for the lock gives up its core. CPU time hardly depends on what else the machine
does; wall time does, and is not reported. Linux.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc

from barkclient.bench.results import Metrics
from barkserve.constants import STAGES
from barkserve.v1 import speech_pb2, speech_pb2_grpc
from benchmarks.report import write_report
from benchmarks.scaling.cluster import healthy
from benchmarks.scaling.slow_model import UTTERANCE_S, write_checkpoint
from fixtures.processes import free_port

SLOTS = 256
TICKS_PER_S = 100.0
TEXT = "a quick brown fox jumps over the lazy dog"


@dataclass(frozen=True)
class Usage:
    """What a process has used.

    Attributes:
        cpu_s: CPU seconds of all threads.
        switches: times that a thread gave up its core.
    """

    cpu_s: float
    switches: int

    @classmethod
    def of(cls, pid: int) -> "Usage":
        """Read the usage of a process so far."""
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        switches = 0
        for status in Path(f"/proc/{pid}/task").glob("*/status"):
            for line in status.read_text().splitlines():
                if line.startswith("voluntary_ctxt_switches:"):
                    switches += int(line.split()[1])
        return cls((int(fields[11]) + int(fields[12])) / TICKS_PER_S, switches)

    def since(self, before: "Usage") -> "Usage":
        """What was used after `before`."""
        return Usage(self.cpu_s - before.cpu_s, self.switches - before.switches)


@asynccontextmanager
async def system(folder: Path, step_s: float) -> AsyncIterator[tuple[str, dict[str, int]]]:
    """Run all stages and an orchestrator; yields its address and the process ids by service."""
    checkpoint = folder / "checkpoint"
    write_checkpoint(checkpoint, slower=1)
    ports = {name: free_port() for name in (*STAGES, "orchestrator")}
    pids: dict[str, int] = {}
    async with AsyncExitStack() as stack:
        for stage in STAGES:
            flags = (f"--step-seconds={step_s}", f"--slots={SLOTS}")
            stage_words = ("benchmarks.scaling.stage", stage, *flags)
            pids[stage] = await _start(stack, ports[stage], checkpoint, stage_words)
        words = (
            *("barkserve", "orchestrator", "--metrics-port=0", "--log-level=error"),
            *("--admission=count", f"--max-streams={SLOTS}"),
            *(f"--{stage}=127.0.0.1:{ports[stage]}" for stage in STAGES),
        )
        pids["orchestrator"] = await _start(stack, ports["orchestrator"], checkpoint, words)
        yield f"127.0.0.1:{ports['orchestrator']}", pids


async def _start(stack: AsyncExitStack, port: int, checkpoint: Path, words: Sequence[str]) -> int:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", *words, f"--checkpoint={checkpoint}", f"--port={port}"),
        stdin=asyncio.subprocess.PIPE,
    )
    stack.push_async_callback(process.wait)
    stack.callback(process.kill)
    await healthy(f"127.0.0.1:{port}", process)
    return process.pid


async def speak(address: str) -> int:
    """Speak one text on a connection of its own; returns the number of audio messages."""
    options = (("grpc.use_local_subchannel_pool", 1),)
    async with grpc.aio.insecure_channel(address, options) as channel:
        stub = speech_pb2_grpc.SpeechServiceStub(channel)
        request = speech_pb2.SynthesizeRequest(text=TEXT, seed=0)
        request.voice.name = "none"
        return sum([1 async for each in stub.Synthesize(request) if each.HasField("audio")])


async def measure(address: str, pids: dict[str, int], streams: int) -> dict[str, Metrics]:
    """Run some streams at once; returns the cost of each process."""
    before = {name: Usage.of(pid) for name, pid in pids.items()}
    messages = sum(await asyncio.gather(*(speak(address) for _ in range(streams))))
    rows: dict[str, Metrics] = {}
    for name, pid in pids.items():
        used = Usage.of(pid).since(before[name])
        rows[f"{name}, {streams} streams"] = {
            "cpu_ms_per_stream": round(1000 * used.cpu_s / streams, 2),
            "cores_per_100_streams": round(used.cpu_s / streams / UTTERANCE_S * 100, 3),
            "cpu_ms_per_audio_message": round(1000 * used.cpu_s / messages, 3),
            "switches_per_stream": round(used.switches / streams, 1),
        }
    return rows


async def _measure_all(given: argparse.Namespace) -> None:
    rows: dict[str, Metrics] = {}
    with tempfile.TemporaryDirectory() as folder:
        async with system(Path(folder), given.step_ms / 1000) as (address, pids):
            await measure(address, pids, 1)  # warms up
            for streams in given.streams:
                rows |= await measure(address, pids, streams)
    write_report(given.out, "host processes", {"step_ms": given.step_ms}, rows)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument("--streams", nargs="+", type=int, default=(16, 64, 150))
    parser.add_argument("--step-ms", type=float, default=1.0, help="time of a step on the device")
    parser.add_argument("--out", type=Path, help="results file")


def run(given: argparse.Namespace) -> None:
    """Measure all numbers of streams, and write the results."""
    asyncio.run(_measure_all(given))
