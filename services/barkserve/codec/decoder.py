"""Runs the EnCodec decoder over pieces of several streams at once. Knows torch; knows no
utterances."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from barkserve.models.encodec import DecoderState, EncodecDecoder


@dataclass(frozen=True)
class DecodeJob:
    """The next frames of one utterance: (T, codebooks) int64, and the state left by the frames
    before, if any."""

    codes: NDArray[np.int64]
    state: DecoderState | None

    @property
    def shape_key(self) -> tuple[int, bool]:
        """Jobs with equal keys can run in one pass."""
        return len(self.codes), self.state is None


@dataclass(frozen=True)
class Decoded:
    """(T * hop_length,) float32 samples, and the state for the next frames."""

    samples: NDArray[np.float32]
    state: DecoderState


class Decoder:
    """The network behind DecodeJobs."""

    def __init__(self, model: EncodecDecoder) -> None:
        self._model = model.eval()
        self._device = model.codebooks[0].device

    @torch.inference_mode()
    def decode(self, jobs: list[DecodeJob]) -> list[Decoded]:
        """Decode jobs of one shape_key; a row's samples never depend on the other rows."""
        codes = torch.from_numpy(np.stack([job.codes for job in jobs])).to(self._device)
        samples, state = self._model(codes, _stack([job.state for job in jobs]))
        pcm = samples.float().cpu().numpy()
        return [
            Decoded(pcm[row], tuple(part[row : row + 1] for part in state))
            for row in range(len(jobs))
        ]


def _stack(states: list[DecoderState | None]) -> DecoderState | None:
    """Rows of states to one state of rows; all of them are None, or none is."""
    rows = [state for state in states if state is not None]
    return tuple(torch.cat(parts) for parts in zip(*rows, strict=True)) if rows else None
