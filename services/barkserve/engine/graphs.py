"""Captured graphs by key: the kernels of one input shape, replayed with one launch.

The capture function is a parameter, so this module is tested without a GPU.

Garbage is collected before a capture and not during one: it can contain a graph, and destroying a
graph breaks a capture.
"""

import gc
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar
from weakref import WeakSet

import torch
from torch import Tensor

Out = TypeVar("Out")  # a tensor, or a tuple of them

MEMORY_LIMIT = 2 << 30
"""Bytes of all graphs of a model."""


class Capture(Protocol):
    """Captures work over tensors with fixed addresses; returns a function that replays it."""

    def __call__(self, forward: Callable[[], Out]) -> Callable[[], Out]:
        """Capture forward()."""


@dataclass(frozen=True)
class _Captured:
    inputs: tuple[Tensor, ...]
    replay: Callable[[], Any]


class Graphs:
    """One captured graph per key.

    Args:
        capture: cuda_capture(), or a fake.
        device: where the graphs read their inputs; None: where the first inputs are.
        free_bytes: returns the free memory of the device, or None if it is unknown.
        limit_bytes: memory of all graphs after which no more are captured.

    Attributes:
        bytes_used: memory of all graphs.
    """

    def __init__(
        self,
        capture: Capture,
        device: torch.device | None = None,
        free_bytes: Callable[[], int | None] = lambda: None,
        limit_bytes: int = MEMORY_LIMIT,
    ) -> None:
        self._capture = capture
        self._device = device
        self._free_bytes = free_bytes
        self._limit_bytes = limit_bytes
        self._captured: dict[Hashable, _Captured] = {}
        self.bytes_used = 0

    @property
    def report(self) -> str:
        """Number and memory of the graphs, for the log."""
        return f"{len(self._captured)} graphs {self.bytes_used / 1e6:.0f} MB"

    def run(
        self,
        key: Hashable,
        inputs: tuple[Tensor, ...],
        forward: Callable[..., Out],
        example: Callable[[], tuple[Tensor, ...]] | None = None,
    ) -> Out:
        """Return forward(*inputs). The next run with this key overwrites the result.

        Args:
            key: stands for one function and for the shapes and dtypes of its inputs.
            inputs: copied to the tensors that the graph reads.
            forward: called several times for a new key; must not synchronize with the host.
            example: makes the inputs of these calls, if forward(*inputs) must run only once.
        """
        captured = self._captured.get(key)
        if captured is None:
            if self.bytes_used >= self._limit_bytes:
                return forward(*self._placed(inputs))
            captured = self._add(key, example() if example else inputs, forward)
        for target, value in zip(captured.inputs, inputs, strict=True):
            target.copy_(value, non_blocking=True)
        out: Out = captured.replay()
        return out

    def clear(self) -> None:
        """Drop all graphs and their memory, because the addresses they use become invalid.

        The next run of each key captures it again.
        """
        self._captured.clear()
        self.bytes_used = 0

    def _add(
        self, key: Hashable, inputs: tuple[Tensor, ...], forward: Callable[..., Out]
    ) -> _Captured:
        static = self._placed(inputs)
        before = self._free_bytes()
        with garbage_collection_paused():
            captured = _Captured(static, self._capture(lambda: forward(*static)))
        after = self._free_bytes()
        if before is not None and after is not None:
            self.bytes_used += max(0, before - after)
        self._captured[key] = captured
        return captured

    def _placed(self, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return tuple(each.to(self._device or each.device, copy=True) for each in inputs)


@contextmanager
def garbage_collection_paused() -> Iterator[None]:
    """Collect garbage, then collect none inside this context. Does nothing inside itself."""
    if not gc.isenabled():
        yield
        return
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def cuda_capture(device: torch.device) -> Capture:
    """Make a capture function for CUDA graphs that share one memory pool.

    Graphs of one pool must not be replayed at the same time.
    """
    alive: WeakSet[torch.cuda.CUDAGraph] = WeakSet()
    side = torch.cuda.Stream(device)  # type: ignore[no-untyped-call] # the pool belongs to it

    def capture(forward: Callable[[], Out]) -> Callable[[], Out]:
        side.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(side):  # libraries initialize themselves outside of the capture
            for _ in range(2):
                forward()
        torch.cuda.current_stream(device).wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        # a pool without graphs cannot be shared again
        pool = next(iter(alive)).pool() if alive else None
        # On this device, not the first. Other threads may use CUDA meanwhile.
        with torch.cuda.graph(graph, pool=pool, stream=side, capture_error_mode="thread_local"):
            out = forward()
        alive.add(graph)

        def replay() -> Out:
            graph.replay()
            return out

        return replay

    return capture


def bucket_size(count: int, maximum: int) -> int:
    """Round a batch size up to a captured one: a power of two, or `maximum`."""
    return min(1 << (count - 1).bit_length(), maximum)


def bucket_sizes(maximum: int) -> list[int]:
    """List all results of bucket_size, largest first: smaller graphs then reuse its memory."""
    return sorted({bucket_size(count, maximum) for count in range(1, maximum + 1)}, reverse=True)
