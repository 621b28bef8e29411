"""Runs the fine model over windows of several streams at once."""

from collections.abc import Callable
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
    """Fills the remaining codebooks of windows.

    Args:
        model: the model, on its device, in its dtype.
        first_codebook: the first codebook to fill.
        codebooks: number of codebooks.
        codebook_size: number of codes to choose from.
        graphs: passes are replayed from these; None: no graphs.
        note_pass: called after each pass of the model, of which a batch takes several.
    """

    def __init__(
        self,
        model: FineModel,
        first_codebook: int,
        codebooks: int,
        codebook_size: int,
        graphs: Graphs | None = None,
        note_pass: Callable[[], None] = lambda: None,
    ) -> None:
        self._model = model.eval()
        self._device = model.position_embeds_layer.weight.device
        self._filled_books = range(first_codebook, codebooks)
        self._codebook_size = codebook_size
        self._graphs = graphs
        self._note_pass = note_pass
        self._max_batch = 1

    @torch.inference_mode()
    def capture(self, max_batch: int, length: int) -> None:
        """Capture all batch sizes up to max_batch, if there are graphs.

        Args:
            max_batch: most windows in a batch.
            length: frames of a window.
        """
        self._max_batch = max_batch
        for size in bucket_sizes(max_batch) if self._graphs is not None else ():
            shape = (size, length, self._filled_books.stop)
            codes = torch.zeros(shape, dtype=torch.int64, device=self._device)
            for codebook in self._filled_books:
                self._logits(codes, codebook, 0)

    def offload(self) -> Offload:
        """Make the object that moves the model to host memory and back."""
        graphs = self._graphs
        return Offload(self._model.parameters(), before_offload=graphs.clear if graphs else None)

    @torch.inference_mode()
    def fill(self, jobs: list[FillJob]) -> list[NDArray[np.int64]]:
        """Fill each job's frames, one codebook after the other.

        Args:
            jobs: windows of one length.

        Returns:
            (T, codebooks) int64 of each window, filled from fill_from on.
        """
        count = len(jobs)
        if self._graphs is not None:  # padded to a captured size
            jobs = jobs + jobs[-1:] * (bucket_size(count, max(count, self._max_batch)) - count)
        device = self._device
        codes = torch.from_numpy(np.stack([job.codes for job in jobs])).to(device)  # (B, T, books)
        uniforms = torch.from_numpy(np.stack([job.uniforms for job in jobs])).to(device)
        starts = torch.tensor([job.fill_from for job in jobs], device=device)
        first = min(job.fill_from for job in jobs)
        frames = torch.arange(first, codes.shape[1], device=device)
        filled = frames >= starts[:, None]  # (B, T - first)
        for codebook in self._filled_books:
            logits = self._logits(codes, codebook, first)
            chosen = self._choose(logits, jobs, uniforms[:, first:, codebook])
            codes[:, first:, codebook] = torch.where(filled, chosen, codes[:, first:, codebook])
            self._note_pass()
        return list(codes[:count].cpu().numpy())

    def _logits(self, codes: Tensor, codebook: int, first: int) -> Tensor:
        """Compute one codebook's logits, (B, T - first, V)."""
        if self._graphs is None:
            logits: Tensor = self._model(codes, codebook, first, self._codebook_size)
            return logits
        whole = partial(self._model, codebook=codebook, start=0, codebook_size=self._codebook_size)
        every: Tensor = self._graphs.run((codebook, codes.shape), (codes,), whole)
        return every[:, first:]

    def _choose(self, logits: Tensor, jobs: list[FillJob], uniforms: Tensor) -> Tensor:
        """Choose codes: (B, T, V) logits to (B, T) codes."""
        best = logits.argmax(dim=-1)
        if all(job.temperature is None for job in jobs):
            return best
        temperatures = torch.tensor([job.temperature or 1.0 for job in jobs], device=self._device)
        probabilities = functional.softmax(logits / temperatures[:, None, None], dim=-1)
        drawn = draw(probabilities, uniforms.unsqueeze(-1))
        greedy = torch.tensor([job.temperature is None for job in jobs], device=self._device)
        return torch.where(greedy[:, None], best, drawn)
