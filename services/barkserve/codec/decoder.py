"""Runs the EnCodec decoder over chunks of several streams at once.

On a GPU the layers before and after the LSTM are replayed from captured graphs. The LSTM is not:
its kernel gets the rows' lengths from the host, and a graph would keep those of its capture. The
first chunk of an utterance is not replayed either, because it is padded with its own values.
"""

import numpy as np
import torch
from torch import Tensor

from barkserve.codec.job import Decoded, DecodeJob, max_job_frames, padded_frames
from barkserve.engine.graphs import Graphs, bucket_size, bucket_sizes
from barkserve.engine.offload import Offload
from barkserve.models.encodec import EncodecDecoder


class Decoder:
    """Decodes batches of DecodeJobs.

    Args:
        model: the model, on its device, in its dtype.
        graphs: batches are replayed from these; None: no graphs.
    """

    def __init__(self, model: EncodecDecoder, graphs: Graphs | None = None) -> None:
        self._model = model.eval()
        self._device = model.codebooks[0].device
        self._graphs = graphs
        self._max_frames = max_job_frames(model.config)
        self._max_batch = 1

    @torch.inference_mode()
    def capture(self, max_batch: int) -> None:
        """Capture all lengths and all batch sizes up to max_batch, if there are graphs."""
        self._max_batch = max_batch
        if self._graphs is None:
            return
        like = self._model.codebooks[0]
        lengths = {self._padded(frames + 1) for frames in range(self._max_frames)}
        for frames in sorted(lengths, reverse=True):
            for size in bucket_sizes(max_batch):
                codes = torch.zeros(
                    (size, frames, len(self._model.codebooks)),
                    dtype=torch.int64,
                    device=like.device,
                )
                state = like.new_zeros(size, sum(self._model.state_sizes))
                self._replay(self._graphs, codes, state, [frames] * size)

    def offload(self) -> Offload:
        """Make the object that moves the model to host memory and back."""
        graphs = self._graphs
        return Offload(self._model.parameters(), before_offload=graphs.clear if graphs else None)

    @torch.inference_mode()
    def decode(self, jobs: list[DecodeJob]) -> list[Decoded]:
        """Decode jobs with equal batch keys. A row's samples never depend on the other rows."""
        count, lengths = len(jobs), [len(job.codes) for job in jobs]
        states = [job.state for job in jobs if job.state is not None]
        if self._graphs is None or not states:
            codes = self._codes(jobs, max(lengths))
            equal = min(lengths) == max(lengths)
            state = torch.stack(states) if states else None
            samples, after = self._model(codes, state, None if equal else lengths)
        else:  # padded to a captured size
            padding = bucket_size(count, max(count, self._max_batch)) - count
            codes = self._codes(jobs + jobs[-1:] * padding, self._padded(max(lengths)))
            state = torch.stack(states + states[-1:] * padding)
            padded = lengths + lengths[-1:] * padding
            samples, after = self._replay(self._graphs, codes, state, padded)
        pcm = samples.float().cpu().numpy()
        hop = self._model.hop_length
        return [Decoded(pcm[row, : length * hop], after[row]) for row, length in enumerate(lengths)]

    def _padded(self, frames: int) -> int:
        return padded_frames(frames, self._max_frames)

    def _codes(self, jobs: list[DecodeJob], frames: int) -> Tensor:
        """Stack the jobs' codes, padded on the right: (B, frames, codebooks)."""
        codes = np.zeros((len(jobs), frames, jobs[0].codes.shape[1]), dtype=np.int64)
        for row, job in enumerate(jobs):
            codes[row, : len(job.codes)] = job.codes
        return torch.from_numpy(codes).to(self._device)

    def _replay(
        self, graphs: Graphs, codes: Tensor, state: Tensor, lengths: list[int]
    ) -> tuple[Tensor, Tensor]:
        """Run the model on rows that have a state. The next call overwrites the samples."""
        shape, model = codes.shape[:2], self._model
        first, second, third = torch.split(state, model.state_sizes, dim=1)
        ends = torch.tensor(lengths, device=self._device)
        x, first = graphs.run(("before_lstm", shape), (codes, first, ends), model.before_lstm)
        x, second = model.run_lstm(x, second, lengths)
        samples, third = graphs.run(("after_lstm", shape), (x, third, ends), model.after_lstm)
        return samples, torch.cat([first, second, third], dim=1)
