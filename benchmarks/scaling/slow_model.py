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

import numpy as np
from numpy.typing import NDArray

from barkserve.checkpoint.bark_config import BarkConfig
from barkserve.checkpoint.folder import bundled_checkpoint
from barkserve.engine.batch import Batch
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


@dataclass
class SlowRunner:
    """An autoregressive model that takes `row_s` seconds for each row of each step.

    Attributes:
        slots: number of slots.
        heads: for each head the ids that it may draw; the first one is always drawn.
        row_s: seconds for one row of a step.
        length: number of tokens after which a request draws its stop token, if it has one.
        stop_token: the stop token.
        step_s: seconds for a step of any number of rows, as on a GPU; 0: row_s for each row.
    """

    slots: int
    heads: list[NDArray[np.int64]]
    row_s: float
    length: int
    stop_token: int
    step_s: float = 0.0

    @property
    def limits(self) -> Limits:
        """The limits."""
        return Limits(self.slots)

    def launch(self, batch: Batch, proceed: Callable[[], bool]) -> list[list[int]]:
        """Run a batch. Returns the tokens of each request."""
        tokens: list[list[int]] = [[] for _ in batch.requests]
        for step in range(max(batch.draws, default=1) or 1):
            if step and not proceed():
                break
            time.sleep(self.step_s or self.row_s * len(batch.requests))
            for request, made, planned in zip(batch.requests, tokens, batch.draws, strict=True):
                if len(made) < planned:
                    made.append(self._token(request, len(request.tokens) + len(made)))
            if any(made[-1:] == [self.stop_token] for made in tokens):
                break
        return tokens

    def collect(self, flight: list[list[int]]) -> list[list[int]]:
        """Return the tokens of a batch."""
        return flight

    def _token(self, request: Request, drawn: int) -> int:
        if request.stop_token is not None and drawn >= self.length:
            return self.stop_token
        return int(self.heads[request.heads[drawn % len(request.heads)]][0])


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
