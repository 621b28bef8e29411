"""Runs the fine model over windows of several streams at once.

A whole fill, all codebooks one after the other, is one function of tensors. A CPU runs it, and a
GPU replays it from a captured graph, without the host between codebooks.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from barkserve.engine.graphs import Graphs
from barkserve.engine.offload import Offload
from barkserve.engine.sampler import draw
from barkserve.fine.job import FillJob
from barkserve.models.device import DeviceCapabilities
from barkserve.models.fine import FineModel


class Filler:
    """Fills the remaining codebooks of windows.

    Args:
        model: the model, on its device, in its dtype.
        first_codebook: the first codebook to fill.
        codebooks: number of codebooks.
        codebook_size: number of codes to choose from.
        graphs: fills are replayed from these; None: no graphs.
        note_pass: called after each pass of the model, of which a fill takes several. A replay
            counts as one step.
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
        self._device = DeviceCapabilities.of(model.position_embeds_layer.weight.device)
        self._filled_books = range(first_codebook, codebooks)
        self._codebook_size = codebook_size
        self._graphs = graphs
        self._note_pass = note_pass

    def capture(self, max_batch: int, length: int) -> None:
        """Capture the fills of all batch sizes up to max_batch, if there are graphs.

        Args:
            max_batch: most windows in a batch.
            length: frames of a window.
        """
        if self._graphs is None:
            return
        shape = (length, self._filled_books.stop)
        job = FillJob(np.zeros(shape, np.int64), 0, 1.0, np.zeros(shape, np.float32))
        sizes = {padded_batch(count) for count in range(1, max_batch + 1)}
        for size in sorted(sizes, reverse=True):
            self.fill([job] * size)  # the largest first: smaller graphs then reuse its memory

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
        if self._graphs is not None:
            jobs = jobs + jobs[-1:] * (padded_batch(count) - count)
        codes, uniforms, starts, temperatures = map(self._device.upload, _arrays(jobs))
        if self._graphs is None:  # skip the codebooks and draws that no job needs
            first = min(job.fill_from for job in jobs)
            sampled = any(job.temperature is not None for job in jobs)
            filled = self._fill(codes, uniforms, starts, temperatures, first, sampled)
        else:
            whole = partial(self._fill, first=0, sampled=True)
            inputs = (codes, uniforms, starts, temperatures)
            filled = self._graphs.run(codes.shape, inputs, whole)
        return list(filled[:count].to("cpu", copy=True).numpy())

    def _fill(
        self,
        codes: Tensor,
        uniforms: Tensor,
        starts: Tensor,
        temperatures: Tensor,
        first: int,
        sampled: bool,
    ) -> Tensor:
        """Fill the codebooks of windows, without any wait for the device.

        Args:
            codes: (B, T, codebooks) int64.
            uniforms: (B, T, codebooks) float32.
            starts: (B,) int64, first frame to fill of each window.
            temperatures: (B,) float32; 0: greedy.
            first: a frame before which no window is filled.
            sampled: whether any temperature can differ from 0.

        Returns:
            (B, T, codebooks) int64.
        """
        codes = codes.clone()
        frames = torch.arange(first, codes.shape[1], device=codes.device)
        filled = frames >= starts[:, None]  # (B, T - first)
        for codebook in self._filled_books:
            logits = self._model(codes, codebook, first, self._codebook_size)
            chosen = logits.argmax(dim=-1)
            if sampled:
                drawn = _draw(logits, temperatures, uniforms[:, first:, codebook])
                chosen = torch.where(temperatures[:, None] > 0, drawn, chosen)
            codes[:, first:, codebook] = torch.where(filled, chosen, codes[:, first:, codebook])
            self._note_pass()
        return codes


def padded_batch(count: int) -> int:
    """Round a batch up to a captured size: 1 to 8, 10, 12, 14, 16, 20, ...

    A fill costs in proportion to its windows, so at most a fifth is padding.
    """
    step = max(1, 1 << (count - 1).bit_length() >> 3)
    return -(-count // step) * step


def _arrays(jobs: list[FillJob]) -> tuple[NDArray[np.generic], ...]:
    """Stack codes, uniforms, first frames and temperatures: 0 is greedy."""
    return (
        np.stack([job.codes for job in jobs]),
        np.stack([job.uniforms for job in jobs]),
        np.array([job.fill_from for job in jobs], dtype=np.int64),
        np.array([job.temperature or 0.0 for job in jobs], dtype=np.float32),
    )


def _draw(logits: Tensor, temperatures: Tensor, uniforms: Tensor) -> Tensor:
    """Draw codes: (B, T, V) logits to (B, T) codes."""
    divisors = torch.where(temperatures > 0, temperatures, 1.0)
    probabilities = functional.softmax(logits / divisors[:, None, None], dim=-1)
    return draw(probabilities, uniforms.unsqueeze(-1))


Fill = Callable[[list[FillJob]], list[NDArray[np.int64]]]
"""Fills windows of one length: `Filler.fill`."""


def by_mode(exact: Fill, streaming: Fill) -> Fill:
    """Make the function that fills jobs with the weights of their mode. A batch has one mode."""

    def fill(jobs: list[FillJob]) -> list[NDArray[np.int64]]:
        return (exact if jobs[0].exact else streaming)(jobs)

    return fill
