"""Models that only sleep, and a checkpoint folder that describes them.

Token rates are a third of Bark's: two cores must move the messages of twenty streams through four
stages. A second of audio still lasts one second. Each row of a step costs the same, as on a CPU.
"""

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from barkserve.checkpoint.bark_config import BarkConfig
from barkserve.checkpoint.folder import bundled_checkpoint
from barkserve.engine.batch import NO_TOKEN, Batch, Burst, Integers, Prefill
from barkserve.engine.limits import Limits
from barkserve.engine.request import Request
from barkserve.fine.job import FillJob

COSTS = {"semantic": 0.08, "coarse": 0.30, "fine": 0.15, "codec": 0.05}
"""Seconds of compute for one second of audio, by stage."""

SLOWER = 3
UTTERANCE_S = 4.0


def write_checkpoint(folder: Path, slower: int = SLOWER) -> None:
    """Write bark-mini's configuration with slower rates and without weights.

    Args:
        folder: a folder that does not exist.
        slower: divides the rates.
    """
    mini = bundled_checkpoint()
    folder.mkdir(parents=True)
    for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt"):
        shutil.copy(mini / name, folder)
    config: dict[str, Any] = json.loads((mini / "config.json").read_text())
    generation: dict[str, Any] = json.loads((mini / "generation_config.json").read_text())
    codec = config["codec_config"]
    codec["sampling_rate"] //= slower
    codec["target_bandwidths"] = [width / slower for width in codec["target_bandwidths"]]
    generation["sample_rate"] //= slower
    generation["semantic_config"]["semantic_rate_hz"] /= slower
    generation["coarse_acoustics_config"]["coarse_rate_hz"] //= slower
    for unused in ("default_voice", "alignment_head"):
        generation.pop(unused, None)
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "generation_config.json").write_text(json.dumps(generation))


@dataclass(frozen=True)
class _Flight:
    """A batch that was launched: its tokens, and when the device has computed them."""

    drawn: Integers
    ready_at: float


@dataclass
class SlowRunner:
    """An autoregressive model that only waits.

    Attributes:
        slots: number of slots.
        heads: for each head the ids that it may draw; the first one is always drawn.
        row_s: seconds for one row of a step.
        length: number of tokens after which a request draws its stop token, if it has one.
        step_s: as on a GPU: seconds for a step of any number of rows, and two bursts in flight; 0:
            as on a CPU, row_s for each row.
    """

    slots: int
    heads: list[Integers]
    row_s: float
    length: int
    step_s: float = 0.0

    def __post_init__(self) -> None:
        self._firsts = np.array([head[0] for head in self.heads])
        self._drawn = WeakKeyDictionary[Request, int]()
        self._free_at = 0.0  # when the device has computed all batches

    @property
    def limits(self) -> Limits:
        """The limits."""
        return Limits.captured(self.slots, 2) if self.step_s else Limits(self.slots)

    def launch(self, batch: Batch, proceed: Callable[[], bool]) -> _Flight:
        """Start to wait for a batch. Each request draws the first token of its heads in turn."""
        steps = batch.steps if isinstance(batch, Burst) else 1
        if not self.step_s:
            steps = self._wait(batch, steps, proceed)
        draws = 0 if isinstance(batch, Prefill) and not batch.last else steps
        drawn = [self._tokens(request, draws) for request in batch.requests]
        started_at = max(time.monotonic(), self._free_at)
        self._free_at = started_at + steps * self.step_s
        return _Flight(np.stack(drawn, axis=1), self._free_at)

    def collect(self, flight: _Flight) -> Integers:
        """Wait for the tokens of a batch."""
        time.sleep(max(0.0, flight.ready_at - time.monotonic()))
        return flight.drawn

    def _wait(self, batch: Batch, steps: int, proceed: Callable[[], bool]) -> int:
        """Wait as a CPU computes, until a request ends; return the number of steps."""
        left = [
            self.length + 1 - self._drawn.get(request, 0)
            for request in batch.requests
            if request.stop_token is not None
        ]
        for step in range(1, steps + 1):
            time.sleep(self.row_s * len(batch.requests))
            if step in left or step == steps or not proceed():
                return step
        return steps

    def _tokens(self, request: Request, steps: int) -> Integers:
        """Draw tokens, (steps,)."""
        before = self._drawn.get(request, 0)
        self._drawn[request] = before + steps
        number = before + np.arange(steps)
        out = self._firsts[request.heads.start + number % len(request.heads)]
        out[number >= request.max_tokens] = NO_TOKEN
        if request.stop_token is not None:
            out[number == self.length] = request.stop_token
            out[number > self.length] = NO_TOKEN
        return out


@dataclass
class SlowFiller:
    """A fine model that takes `window_s` seconds for each window."""

    window_s: float
    codebook_size: int

    def fill(self, jobs: list[FillJob]) -> list[NDArray[np.int64]]:
        """Fill one batch of windows with code 0."""
        time.sleep(len(jobs) * self.window_s)
        return [np.where(job.codes == self.codebook_size, 0, job.codes) for job in jobs]


def step_seconds(stage: str, bark: BarkConfig) -> float:
    """Return the seconds for a token (semantic, coarse) or a frame (fine, codec)."""
    frames = bark.coarse_generation.coarse_rate_hz
    rates = {
        "semantic": bark.semantic_generation.semantic_rate_hz,
        "coarse": frames * bark.coarse_generation.n_coarse_codebooks,
        "fine": frames,
        "codec": frames,
    }
    return COSTS[stage] / rates[stage]
