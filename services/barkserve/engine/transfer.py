"""Copies between the host and the device that wait for nothing and allocate nothing.

Each batch in flight has its own staging memory. Copies from and to pinned memory run in the order
of the device's other work, and one event tells when a batch has ended.
"""

from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Array = NDArray[Any]


class Staging(Protocol):
    """The staging memory of one batch."""

    def clear(self) -> None:
        """Reuse the memory. The copies before have ended."""

    def put(self, array: Array) -> Tensor:
        """Return a tensor on the host with these values, for a copy to the device."""

    def read(self, tensors: tuple[Tensor, ...]) -> None:
        """Start to copy results to the host, after all work so far."""

    def wait(self) -> list[Array]:
        """Wait for the copies. The arrays are valid until `clear`."""


class HostStaging:
    """For a device without pinned memory: a CPU, where nothing is copied."""

    def __init__(self) -> None:
        self._results: tuple[Tensor, ...] = ()

    def clear(self) -> None:
        """Drop the results."""
        self._results = ()

    def put(self, array: Array) -> Tensor:
        """Return a tensor with these values."""
        return torch.from_numpy(np.ascontiguousarray(array))

    def read(self, tensors: tuple[Tensor, ...]) -> None:
        """Copy the results: the next batch may overwrite them."""
        self._results = tuple(each.clone() for each in tensors)

    def wait(self) -> list[Array]:
        """Return the results."""
        return [each.cpu().numpy() for each in self._results]


class PinnedStaging:
    """For CUDA.

    Args:
        size: bytes for what is copied to the device, and again for what is read.
    """

    def __init__(self, size: int) -> None:
        self._inputs = _Arena(size)
        self._outputs = _Arena(size)
        self._results: list[Tensor] = []
        self._event = torch.cuda.Event()  # type: ignore[no-untyped-call]

    def clear(self) -> None:
        """Reuse the memory."""
        self._inputs.clear()
        self._outputs.clear()

    def put(self, array: Array) -> Tensor:
        """Return a pinned tensor with these values."""
        values = torch.from_numpy(np.ascontiguousarray(array))
        return self._inputs.take(values).copy_(values)

    def read(self, tensors: tuple[Tensor, ...]) -> None:
        """Start to copy results to pinned memory."""
        self._results = [
            self._outputs.take(each).copy_(each, non_blocking=True) for each in tensors
        ]
        self._event.record()

    def wait(self) -> list[Array]:
        """Wait for the copies."""
        self._event.synchronize()
        return [each.numpy() for each in self._results]


class _Arena:
    """Pinned memory that is handed out from its start."""

    _ALIGNMENT = 16  # bytes

    def __init__(self, size: int) -> None:
        self._memory = torch.empty(size, dtype=torch.uint8, pin_memory=True)
        self._used = 0

    def take(self, like: Tensor) -> Tensor:
        """Return pinned memory for a tensor of this shape and dtype."""
        size = like.numel() * like.element_size()
        start, self._used = self._used, self._used + size + -size % self._ALIGNMENT
        if self._used > len(self._memory):  # an unusually large batch
            return torch.empty(like.shape, dtype=like.dtype, pin_memory=True)
        return self._memory[start : start + size].view(like.dtype).view(like.shape)

    def clear(self) -> None:
        """Take all memory back."""
        self._used = 0
