"""Runs the fine model over windows of several streams at once. Knows torch; knows no
utterances.
"""

from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from barkserve.engine.graphs import Graphs, bucket_size, bucket_sizes
from barkserve.engine.offload import Offload
from barkserve.engine.sampler import draw
from barkserve.fine.job import FillJob
from barkserve.models.fine import FineModel


class Filler:
    """The fine model and the codebooks it has to decide.

    Args:
        model: the model, on its device, in its dtype.
        first_codebook, codebooks, codebook_size: which codes are decided, among how many.
        graphs: passes are replayed from these; None: not.
    """

    def __init__(
        self,
        model: FineModel,
        first_codebook: int,
        codebooks: int,
        codebook_size: int,
        graphs: Graphs | None = None,
    ) -> None:
        self._model = model.eval()
        self._device = model.position_embeds_layer.weight.device
        self._decides = range(first_codebook, codebooks)
        self._codebook_size = codebook_size
        self._graphs = graphs
        self._most = 1

    @torch.inference_mode()
    def capture(self, most: int, length: int) -> None:
        """Capture passes over windows of this length, for all batch sizes up to `most`, where there
        are graphs.
        """
        self._most = most
        for size in bucket_sizes(most) if self._graphs is not None else ():
            shape = (size, length, self._decides.stop)
            codes = torch.zeros(shape, dtype=torch.int64, device=self._device)
            for codebook in self._decides:
                self._logits(codes, codebook, 0)

    def offload(self) -> Offload:
        """What takes the model from its device and brings it back."""
        graphs = self._graphs
        return Offload(self._model.parameters(), before_offload=graphs.clear if graphs else None)

    @torch.inference_mode()
    def fill(self, jobs: list[FillJob]) -> list[NDArray[np.int64]]:
        """Decide each job's frames, codebook after codebook.

        Args:
            jobs: windows of one length.

        Returns:
            For each job the window's codes, (T, codebooks) int64, with those from fill_from on
            decided.
        """
        asked = len(jobs)
        if self._graphs is not None:  # filled up to a size that is captured
            jobs = jobs + jobs[-1:] * (bucket_size(asked, max(asked, self._most)) - asked)
        device = self._device
        codes = torch.from_numpy(np.stack([job.codes for job in jobs])).to(device)  # (B, T, books)
        uniforms = torch.from_numpy(np.stack([job.uniforms for job in jobs])).to(device)
        starts = torch.tensor([job.fill_from for job in jobs], device=device)
        first = min(job.fill_from for job in jobs)
        frames = torch.arange(first, codes.shape[1], device=device)
        decided = frames >= starts[:, None]  # (B, T - first)
        for codebook in self._decides:
            logits = self._logits(codes, codebook, first)
            chosen = self._choose(logits, jobs, uniforms[:, first:, codebook])
            codes[:, first:, codebook] = torch.where(decided, chosen, codes[:, first:, codebook])
        return list(codes[:asked].cpu().numpy())

    def _logits(self, codes: Tensor, codebook: int, first: int) -> Tensor:
        """(B, T - first, V) of one codebook."""
        if self._graphs is None:
            logits: Tensor = self._model(codes, codebook, first, self._codebook_size)
            return logits
        whole = partial(self._model, codebook=codebook, start=0, codebook_size=self._codebook_size)
        every: Tensor = self._graphs.run((codebook, codes.shape), (codes,), whole)
        return every[:, first:]

    def _choose(self, logits: Tensor, jobs: list[FillJob], uniforms: Tensor) -> Tensor:
        """(B, T, V) logits to (B, T) codes."""
        best = logits.argmax(dim=-1)
        if all(job.temperature is None for job in jobs):
            return best
        temperatures = torch.tensor([job.temperature or 1.0 for job in jobs], device=self._device)
        probabilities = functional.softmax(logits / temperatures[:, None, None], dim=-1)
        drawn = draw(probabilities, uniforms.unsqueeze(-1))
        greedy = torch.tensor([job.temperature is None for job in jobs], device=self._device)
        return torch.where(greedy[:, None], best, drawn)
