"""One side of a comparison: a process of its own, so that neither side's threads and memory are
in the other's way, that does what it is told and says how long it took.

Knows neither model: `benchmarks.stages.barkserve_runner` and `benchmarks.stages.transformers_runner` are what runs in the process.
"""

import asyncio
import json
import subprocess
import sys
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

Part = Literal["semantic", "coarse", "fine", "codec", "chain"]


@dataclass(frozen=True)
class Work:
    """What one stream has to do in one part.

    Attributes:
        folder: the checkpoint.
        part: a stage alone, or all four.
        tokens: semantic tokens.
        seconds: audio of the coarse, fine and codec utterance.
        most_streams: streams at once, at most.
    """

    folder: str
    part: Part
    tokens: int
    seconds: float
    most_streams: int = 1

    @property
    def semantic_for_coarse(self) -> int:
        """Semantic tokens worth `seconds` of audio."""
        return round(self.seconds * 49.9)

    @property
    def frames(self) -> int:
        """Frames worth `seconds` of audio."""
        return round(self.seconds * 75)

    @classmethod
    def of_command_line(cls) -> "Work":
        """What Side wrote there."""
        return cls(**json.loads(sys.argv[1]))


@dataclass(frozen=True)
class Taken:
    """Seconds that all streams took and that passed until their first output (median), and the
    memory that the process has afterwards and the most that it ever had, in MB, as Linux counts it:
    mapped files included.
    """

    seconds: float
    first_s: float
    resident_mb: float
    peak_mb: float


class Worker:
    """A process that does one work as often as it is asked; a context manager.

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
        self._answer()  # it is there

    def run(self, streams: int = 1) -> Taken:
        """The work of so many streams at once."""
        assert self._process.stdin is not None
        print(streams, file=self._process.stdin, flush=True)
        return Taken(**json.loads(self._answer()))

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


async def serve(run: Callable[[int], Awaitable[tuple[float, float]]]) -> None:
    """The other end of Side, until it closes: `run` does the work of so many streams and returns
    the seconds of all and until the first output.
    """
    print("ready", flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        seconds, first_s = await run(int(line))
        taken = Taken(seconds, first_s, _memory_mb("VmRSS"), _memory_mb("VmHWM"))
        print(json.dumps(asdict(taken)), flush=True)


def _memory_mb(name: str) -> float:
    """Of this process; getrusage would count the parent's too."""
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in status if line.startswith(name))
