"""One side of a comparison, in a process of its own: separate threads and separate memory.

The process runs `benchmarks.stages.barkserve_runner` or `benchmarks.stages.transformers_runner`.
It does the work on request and reports the time that it took.
"""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

import torch

Part = Literal["semantic", "coarse", "fine", "codec", "chain"]


@dataclass(frozen=True)
class Work:
    """The work of one stream in one part.

    Attributes:
        folder: folder of the checkpoint.
        part: one stage, or the chain of all four.
        tokens: number of semantic tokens.
        seconds: duration of the coarse, fine and codec utterance.
        max_streams: most streams at once.
        sampled: draw tokens; False takes the likeliest.
        voice: with a voice that fills every window.
        options: options of the stages; of these, transformers reads device, dtype and attention.
    """

    folder: str
    part: Part
    tokens: int
    seconds: float
    max_streams: int = 1
    sampled: bool = False
    voice: bool = False
    options: Mapping[str, str | int] = field(default_factory=dict)

    @property
    def semantic_for_coarse(self) -> int:
        """Number of semantic tokens in `seconds` of audio."""
        return round(self.seconds * 49.9)

    @property
    def frames(self) -> int:
        """Number of frames in `seconds` of audio."""
        return round(self.seconds * 75)

    @property
    def device(self) -> str:
        """The device that computes."""
        return str(self.options.get("device", "cpu"))

    @classmethod
    def from_command_line(cls) -> "Work":
        """Read the work that `Worker` passed to this process."""
        return cls(**json.loads(sys.argv[1]))


@dataclass(frozen=True)
class Progress:
    """What one run took.

    Attributes:
        seconds: until all streams were finished.
        first_s: median seconds until the first output of a stream.
        step_ms: milliseconds of a decode step of all streams together; None: not known.
    """

    seconds: float
    first_s: float
    step_ms: float | None = None


@dataclass(frozen=True)
class Timing(Progress):
    """Time and memory of one run.

    Attributes:
        cpu_s: CPU seconds of the process, all threads together.
        resident_mb: resident memory of the process afterwards, mapped files included.
        peak_mb: its peak resident memory so far.
        device_mb: peak memory that torch has reserved on a GPU; None without one.
    """

    cpu_s: float = 0.0
    resident_mb: float = 0.0
    peak_mb: float = 0.0
    device_mb: float | None = None


class Worker:
    """A process that repeats one work on request; a context manager.

    Args:
        module: `benchmarks.stages.barkserve_runner` or `benchmarks.stages.transformers_runner`.
        work: what to do.
    """

    def __init__(self, module: str, work: Work) -> None:
        command = [sys.executable, "-m", module, json.dumps(asdict(work))]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )
        self._answer()  # "ready"

    def run(self, streams: int = 1) -> Timing:
        """Do the work of `streams` streams at once."""
        assert self._process.stdin is not None
        print(streams, file=self._process.stdin, flush=True)
        return Timing(**json.loads(self._answer()))

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *error: object) -> None:
        self._process.communicate()

    def _answer(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"{self._process.args!r} ended with {self._process.wait()}")
        return line


async def serve(run: Callable[[int], Awaitable[Progress]]) -> None:
    """Answer the requests of `Worker` until it closes stdin.

    Args:
        run: does the work of so many streams.
    """
    print("ready", flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        cpu_s = time.process_time()
        progress = await run(int(line))
        timing = Timing(
            **asdict(progress),
            cpu_s=time.process_time() - cpu_s,
            resident_mb=_memory_mb("VmRSS"),
            peak_mb=_memory_mb("VmHWM"),
            device_mb=_device_mb(),
        )
        print(json.dumps(asdict(timing)), flush=True)


def _device_mb() -> float | None:
    if not torch.cuda.is_available():
        return None
    return torch.cuda.max_memory_reserved() / 2**20


def _memory_mb(name: str) -> float:
    """Read a field of /proc/self/status; getrusage would count the parent too."""
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in status if line.startswith(name))
