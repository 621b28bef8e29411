"""Captured graphs by key: what a model does for one shape of input, replayed without asking the
host for every kernel.

The capture itself is handed in, so that this is tested without a GPU. Knows no model.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar
from weakref import WeakSet

import torch
from torch import Tensor

Out = TypeVar("Out")  # a tensor, or a tuple of them


class Capture(Protocol):
    """Takes work over tensors that stay where they are; gives what does the same work again."""

    def __call__(self, forward: Callable[[], Out]) -> Callable[[], Out]: ...


@dataclass(frozen=True)
class _Captured:
    inputs: tuple[Tensor, ...]
    replay: Callable[[], Any]


class Graphs:
    """One captured graph a key.

    Args:
        capture: cuda_capture(), or a fake.
    """

    def __init__(self, capture: Capture) -> None:
        self._capture = capture
        self._captured: dict[Hashable, _Captured] = {}

    def run(self, key: Hashable, inputs: tuple[Tensor, ...], forward: Callable[..., Out]) -> Out:
        """What forward(*inputs) gives; the next run of this key overwrites it.

        Args:
            key: the same forward and the same shapes and dtypes of inputs, each time.
            inputs: copied to where the graph reads them.
            forward: called when the key is new only; it must not ask the host for anything.
        """
        held = self._captured.get(key)
        if held is None:
            fixed = tuple(each.clone() for each in inputs)
            held = _Captured(fixed, self._capture(lambda: forward(*fixed)))
            self._captured[key] = held
        for place, value in zip(held.inputs, inputs, strict=True):
            place.copy_(value, non_blocking=True)
        out: Out = held.replay()
        return out

    def forget(self) -> None:
        """Drop all graphs and their memory: what they compute with is about to move. The next run
        of each key captures it anew.
        """
        self._captured.clear()


def cuda_capture(device: torch.device) -> Capture:
    """CUDA graphs that share one memory pool; they must not be replayed at the same time."""
    alive: WeakSet[torch.cuda.CUDAGraph] = WeakSet()
    side = torch.cuda.Stream(device)  # type: ignore[no-untyped-call] # the pool's memory is its own

    def capture(forward: Callable[[], Out]) -> Callable[[], Out]:
        side.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(side):  # libraries set themselves up outside of the capture
            for _ in range(2):
                forward()
        torch.cuda.current_stream(device).wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        # a pool that all its graphs have left cannot be shared again
        pool = next(iter(alive)).pool() if alive else None
        with torch.cuda.graph(graph, pool=pool, stream=side):  # on this device, not the first
            out = forward()
        alive.add(graph)

        def replay() -> Out:
            graph.replay()
            return out

        return replay

    return capture


def bucket_of(count: int, most: int) -> int:
    """The batch size that a batch is filled up to: a power of two, or `most`."""
    return min(1 << (count - 1).bit_length(), most)


def buckets(most: int) -> list[int]:
    """All that bucket_of gives, the largest first, so that smaller graphs find its memory."""
    return sorted({bucket_of(count, most) for count in range(1, most + 1)}, reverse=True)
