"""A codec that only sleeps. In a module of its own because it imports torch."""

import time
from dataclasses import dataclass

import numpy as np
import torch

from barkserve.codec.job import Decoded, DecodeJob


@dataclass
class SlowDecoder:
    """A codec that takes `frame_s` seconds for each frame."""

    frame_s: float
    hop_length: int

    def decode(self, jobs: list[DecodeJob]) -> list[Decoded]:
        """Decode one batch to silence."""
        time.sleep(sum(len(job.codes) for job in jobs) * self.frame_s)
        return [
            Decoded(np.zeros(len(job.codes) * self.hop_length, np.float32), torch.zeros(1))
            for job in jobs
        ]
