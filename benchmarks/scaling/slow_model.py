"""Networks that only take time, and a checkpoint folder that describes them.

Rates are a third of Bark's, so that two cores can move the messages of twenty streams through four
stages; a second of audio is a second still. A row of a step costs always the same, as on a CPU.
"""

import json
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from barkserve.checkpoint.bark_config import BarkConfig
from barkserve.checkpoint.folder import bundled_checkpoint
from barkserve.engine.scheduler import Batch
from barkserve.fine.job import FillJob

COSTS = {"semantic": 0.08, "coarse": 0.30, "fine": 0.15, "codec": 0.05}
"""Seconds of compute for one second of audio."""

SLOWER = 3
UTTERANCE_S = 4.0


def write_checkpoint(folder: Path) -> None:
    """bark-mini's description without its weights, with slower rates."""
    mini = bundled_checkpoint()
    folder.mkdir(parents=True)
    for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt"):
        shutil.copy(mini / name, folder)
    config: dict[str, Any] = json.loads((mini / "config.json").read_text())
    generation: dict[str, Any] = json.loads((mini / "generation_config.json").read_text())
    codec = config["codec_config"]
    codec["sampling_rate"] //= SLOWER
    codec["target_bandwidths"] = [width / SLOWER for width in codec["target_bandwidths"]]
    generation["sample_rate"] //= SLOWER
    generation["semantic_config"]["semantic_rate_hz"] /= SLOWER
    generation["coarse_acoustics_config"]["coarse_rate_hz"] //= SLOWER
    for unused in ("default_voice", "alignment_head"):
        generation.pop(unused, None)
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "generation_config.json").write_text(json.dumps(generation))


@dataclass
class SlowRunner:
    """An autoregressive network: every row of every step takes `row_s`.

    Attributes:
        slots: how many.
        heads: the ids that may be drawn, the first of which always is.
        row_s: seconds.
        length: tokens after which a sequence that may stop does.
    """

    slots: int
    heads: list[NDArray[np.int64]]
    row_s: float
    length: int

    def run(self, batch: Batch) -> list[int]:
        """One step."""
        time.sleep(self.row_s * len(batch.sequences))
        tokens = []
        for sequence in batch.sequences:
            ended = sequence.stop_token is not None and len(sequence.tokens) >= self.length
            first = int(self.heads[sequence.next_head][0])
            tokens.append(int(sequence.stop_token or 0) if ended else first)
        return tokens


@dataclass
class SlowFiller:
    """A fine network: every window takes the same, whatever is decided in it."""

    window_s: float
    codebook_size: int

    def fill(self, jobs: list[FillJob]) -> list[NDArray[np.int64]]:
        """One batch."""
        time.sleep(len(jobs) * self.window_s)
        return [np.where(job.codes == self.codebook_size, 0, job.codes) for job in jobs]


def seconds_a_step(stage: str, bark: BarkConfig) -> float:
    """How long a token (semantic, coarse) or a frame (fine, codec) takes."""
    frames = bark.coarse_generation.coarse_rate_hz
    rates = {
        "semantic": bark.semantic_generation.semantic_rate_hz,
        "coarse": frames * bark.coarse_generation.n_coarse_codebooks,
        "fine": frames,
        "codec": frames,
    }
    return COSTS[stage] / rates[stage]
