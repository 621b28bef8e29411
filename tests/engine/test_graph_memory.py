"""Captures: without garbage collection, and up to a limit of memory."""

import gc
from collections.abc import Callable, Iterator

import pytest
import torch

from barkserve.engine.graphs import Graphs, Out, garbage_collection_paused
from tests.engine.test_graphs import FakeCapture


def free_memory() -> Iterator[int]:
    """Yield the free bytes before and after each capture, which takes 100."""
    free = 1000
    while True:
        yield free
        free -= 100
        yield free


def test_graphs_report_their_memory_and_respect_the_limit() -> None:
    capture, free = FakeCapture(), free_memory()
    graphs = Graphs(capture, free_bytes=lambda: next(free), limit_bytes=200)
    for key in range(4):
        out = graphs.run(key, (torch.tensor([key]),), lambda x: x + 1)
        assert out.tolist() == [key + 1]
    assert (capture.captured, graphs.bytes_used) == (2, 200)
    assert graphs.report.startswith("2 graphs")
    graphs.clear()
    assert graphs.bytes_used == 0


def test_capture_runs_without_garbage_collection() -> None:
    states = []

    def capture(forward: Callable[[], Out]) -> Callable[[], Out]:
        states.append(gc.isenabled())
        return forward

    Graphs(capture).run("key", (torch.ones(1),), lambda x: x)
    assert states == [False]
    assert gc.isenabled()


def test_garbage_collection_stays_paused_after_an_inner_pause() -> None:
    with garbage_collection_paused():
        with garbage_collection_paused():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()


def test_failed_capture_resumes_garbage_collection() -> None:
    def capture(forward: Callable[[], Out]) -> Callable[[], Out]:
        raise torch.OutOfMemoryError("no room")

    with pytest.raises(torch.OutOfMemoryError):
        Graphs(capture).run("key", (torch.ones(1),), lambda x: x)
    assert gc.isenabled()


def test_example_inputs_are_used_for_the_capture_only() -> None:
    seen = []

    def forward(x: torch.Tensor) -> torch.Tensor:
        seen.append(x.tolist())
        return x * 2

    graphs = Graphs(FakeCapture())
    out = graphs.run("key", (torch.tensor([7]),), forward, lambda: (torch.tensor([0]),))
    assert (out.tolist(), seen) == ([14], [[0], [7]])
