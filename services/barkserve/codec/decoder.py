"""Runs the EnCodec decoder over pieces of several streams at once. Knows torch; knows no
utterances.

On a GPU what is before and behind the LSTM is replayed from captured graphs. The LSTM is not: its
kernel is told by the host how long each row is, and a graph would keep what it was told first. Nor
is an utterance's first piece, whose padding is made of the piece itself.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from barkserve.engine.graphs import Graphs, bucket_size, bucket_sizes
from barkserve.engine.offload import Offload
from barkserve.models.encodec import EncodecDecoder

MAX_FRAMES = 75
"""Most frames of one job: a second of audio, so that a stream can be cancelled and others get
their turn."""

_FEW_FRAMES = 16  # jobs up to this are all padded alike: a pass of so few costs next to nothing


@dataclass(frozen=True)
class DecodeJob:
    """The next frames of one utterance: (T, codebooks) int64, and the state left by the frames
    before, (S,), if any.
    """

    codes: NDArray[np.int64]
    state: Tensor | None

    @property
    def shape_key(self) -> tuple[int, bool]:
        """Jobs with equal keys can run in one pass: first ones of one length; later ones of which
        none is padded to more than twice its length, or than a few frames.
        """
        first = self.state is None
        return len(self.codes) if first else _bucket_of_frames(len(self.codes)), first


@dataclass(frozen=True)
class Decoded:
    """(T * hop_length,) float32 samples, and the state for the next frames."""

    samples: NDArray[np.float32]
    state: Tensor


class Decoder:
    """The model behind DecodeJobs.

    Args:
        model: the model, on its device, in its dtype.
        graphs: passes are replayed from these; None: not.
    """

    def __init__(self, model: EncodecDecoder, graphs: Graphs | None = None) -> None:
        self._model = model.eval()
        self._device = model.codebooks[0].device
        self._graphs = graphs
        self._most = 1

    @torch.inference_mode()
    def capture(self, most: int) -> None:
        """Capture passes over all numbers of frames, for all batch sizes up to `most`, where there
        are graphs.
        """
        self._most = most
        if self._graphs is None:
            return
        like = self._model.codebooks[0]
        for frames in sorted({_bucket_of_frames(n + 1) for n in range(MAX_FRAMES)}, reverse=True):
            for size in bucket_sizes(most):
                codes = torch.zeros(
                    (size, frames, len(self._model.codebooks)),
                    dtype=torch.int64,
                    device=like.device,
                )
                state = like.new_zeros(size, sum(self._model.state_sizes))
                self._replay(self._graphs, codes, state, [frames] * size)

    def offload(self) -> Offload:
        """What takes the model from its device and brings it back."""
        graphs = self._graphs
        return Offload(self._model.parameters(), before_offload=graphs.clear if graphs else None)

    @torch.inference_mode()
    def decode(self, jobs: list[DecodeJob]) -> list[Decoded]:
        """Decode jobs of one shape_key; a row's samples never depend on the other rows."""
        asked, lengths = len(jobs), [len(job.codes) for job in jobs]
        states = [job.state for job in jobs if job.state is not None]
        if self._graphs is None or not states:
            codes = self._codes(jobs, max(lengths))
            alike = min(lengths) == max(lengths)
            state = torch.stack(states) if states else None
            samples, after = self._model(codes, state, None if alike else lengths)
        else:  # filled up to a size that is captured
            fill = bucket_size(asked, max(asked, self._most)) - asked
            codes = self._codes(jobs + jobs[-1:] * fill, _bucket_of_frames(max(lengths)))
            state = torch.stack(states + states[-1:] * fill)
            padded = lengths + lengths[-1:] * fill
            samples, after = self._replay(self._graphs, codes, state, padded)
        pcm = samples.float().cpu().numpy()
        hop = self._model.hop_length
        return [Decoded(pcm[row, : length * hop], after[row]) for row, length in enumerate(lengths)]

    def _codes(self, jobs: list[DecodeJob], frames: int) -> Tensor:
        """(B, frames, codebooks), padded on the right."""
        codes = np.zeros((len(jobs), frames, jobs[0].codes.shape[1]), dtype=np.int64)
        for row, job in enumerate(jobs):
            codes[row, : len(job.codes)] = job.codes
        return torch.from_numpy(codes).to(self._device)

    def _replay(
        self, graphs: Graphs, codes: Tensor, state: Tensor, lengths: list[int]
    ) -> tuple[Tensor, Tensor]:
        """What the model makes of rows that go on; the next run overwrites the samples."""
        shape, model = codes.shape[:2], self._model
        before, between, behind = torch.split(state, model.state_sizes, dim=1)
        ends = torch.tensor(lengths, device=self._device)
        x, first = graphs.run(("before_lstm", shape), (codes, before, ends), model.before_lstm)
        x, second = model.run_lstm(x, between, lengths)
        samples, third = graphs.run(("after_lstm", shape), (x, behind, ends), model.after_lstm)
        return samples, torch.cat([first, second, third], dim=1)


def _bucket_of_frames(frames: int) -> int:
    """What a later job of so many frames may be padded to."""
    return max(_FEW_FRAMES, bucket_size(frames, max(frames, MAX_FRAMES)))
