"""Captured graphs by key: the kernels of one input shape, replayed with one launch.

The capture function is a parameter, so this module is tested without a GPU.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar
from weakref import WeakSet

import torch
from torch import Tensor

Out = TypeVar("Out")  # a tensor, or a tuple of them


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
    """

    def __init__(self, capture: Capture) -> None:
        self._capture = capture
        self._captured: dict[Hashable, _Captured] = {}

    def run(self, key: Hashable, inputs: tuple[Tensor, ...], forward: Callable[..., Out]) -> Out:
        """Return forward(*inputs). The next run with this key overwrites the result.

        Args:
            key: stands for one function and for the shapes and dtypes of its inputs.
            inputs: copied to the tensors that the graph reads.
            forward: called only for a new key; must not synchronize with the host.
        """
        captured = self._captured.get(key)
        if captured is None:
            static = tuple(each.clone() for each in inputs)
            captured = _Captured(static, self._capture(lambda: forward(*static)))
            self._captured[key] = captured
        for target, value in zip(captured.inputs, inputs, strict=True):
            target.copy_(value, non_blocking=True)
        out: Out = captured.replay()
        return out

    def clear(self) -> None:
        """Drop all graphs and their memory, because the addresses they use become invalid.

        The next run of each key captures it again.
        """
        self._captured.clear()


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
        with torch.cuda.graph(graph, pool=pool, stream=side):  # on this device, not the first
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
