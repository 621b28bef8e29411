"""Runs the EnCodec decoder over chunks of several streams at once."""

from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from barkserve.codec.job import Decoded, DecodeJob, JobPlan
from barkserve.engine.graphs import Graphs
from barkserve.engine.offload import Offload
from barkserve.models.device import DeviceCapabilities
from barkserve.models.encodec import EncodecDecoder


class Decoder:
    """Decodes batches of DecodeJobs.

    Args:
        model: the model, on its device, in its dtype.
        plan: how utterances are cut into jobs; None: as they arrive.
        graphs: padded jobs are replayed from these, in batches of max_batch rows; None: no graphs.
        max_batch: most jobs in a batch.
    """

    def __init__(
        self,
        model: EncodecDecoder,
        plan: JobPlan | None = None,
        graphs: Graphs | None = None,
        max_batch: int = 1,
    ) -> None:
        self._model = model.eval()
        self._device = DeviceCapabilities.of(model.codebooks[0].device)
        self._plan = plan or JobPlan.as_they_arrive(model.config)
        self._graphs = graphs
        self._max_batch = max_batch
        if graphs is not None:
            model.run_lstm_stepwise()

    @torch.inference_mode()
    def capture(self) -> None:
        """Capture the first and the later jobs of utterances, if there are graphs."""
        if self._graphs is None:
            return
        like = self._model.codebooks[0]
        codes = torch.zeros(
            (self._max_batch, self._plan.frames, len(self._model.codebooks)),
            dtype=torch.int64,
            device=like.device,
        )
        self._replay(self._graphs, codes, None)
        self._replay(self._graphs, codes, like.new_zeros(self._max_batch, self._model.state_size))

    def offload(self) -> Offload:
        """Make the object that moves the model to host memory and back."""
        graphs = self._graphs
        return Offload(self._model.parameters(), before_offload=graphs.clear if graphs else None)

    @torch.inference_mode()
    def decode(self, jobs: list[DecodeJob]) -> list[Decoded]:
        """Decode jobs with equal batch keys. A row's samples never depend on the other rows."""
        plan, hop = self._plan, self._model.hop_length
        graphs = self._graphs if plan.pads(jobs[0]) else None
        rows = len(jobs) if graphs is None else self._max_batch
        frames = plan.frames if plan.pads(jobs[0]) else len(jobs[0].codes)
        codes = self._device.upload(_padded(jobs, rows, frames))
        states = [job.state for job in jobs if job.state is not None]
        state = torch.stack(states + states[-1:] * (rows - len(jobs))) if states else None
        run = self._model if graphs is None else partial(self._replay, graphs)
        samples, after = run(codes, state)
        pcm = samples[: len(jobs)].float().to("cpu", copy=True).numpy()
        return [
            Decoded(pcm[row, : len(job.codes) * hop], after[row] if plan.completes(job) else None)
            for row, job in enumerate(jobs)
        ]

    def _replay(self, graphs: Graphs, codes: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor]:
        """Run the model. The next call overwrites the samples."""
        if state is None:
            start = partial(self._model, state=None)
            samples, after = graphs.run("start", (codes,), start)
        else:
            samples, after = graphs.run("continuation", (codes, state), self._model)
        return samples, after.clone()  # streams keep it


def _padded(jobs: list[DecodeJob], rows: int, frames: int) -> NDArray[np.int64]:
    """Stack the jobs' codes, padded below and on the right: (rows, frames, codebooks)."""
    codes = np.zeros((rows, frames, jobs[0].codes.shape[1]), dtype=np.int64)
    for row, job in enumerate(jobs):
        codes[row, : len(job.codes)] = job.codes
    return codes
