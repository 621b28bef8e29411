"""Which windows fill which frames."""

from itertools import islice, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from barkserve.fine.windows import ChunkPlan, FineGeometry, Window

SUNO = FineGeometry(length=1024, hop=512)
GEOMETRIES = st.sampled_from([SUNO, FineGeometry(128, 64), FineGeometry(45, 17)])


def transformers_loops(geometry: FineGeometry, n_history: int, frames: int) -> list[Window]:
    """Repeat the arithmetic of BarkFineModel.generate line by line."""
    max_fine_input_length, max_fine_history_length = geometry.length, geometry.hop
    input_length = max(n_history + frames, max_fine_input_length)
    n_loops = (frames - (max_fine_input_length - n_history)) / max_fine_history_length
    n_loops = max(0, int(np.ceil(n_loops))) + 1
    windows = []
    for n_outer in range(n_loops):
        start_idx = min(n_outer * max_fine_history_length, input_length - max_fine_input_length)
        start_fill_idx = min(
            n_history + n_outer * max_fine_history_length, input_length - max_fine_history_length
        )
        windows.append(Window(start_idx, start_fill_idx))
    return windows


@given(geometry=GEOMETRIES, history=st.integers(0, 512), frames=st.integers(1, 4000))
def test_windows_equal_transformers_loops(
    geometry: FineGeometry, history: int, frames: int
) -> None:
    history = min(history, geometry.hop)
    assert geometry.windows(history, frames) == transformers_loops(geometry, history, frames)


@pytest.mark.parametrize(
    ("history", "frames", "expected"),
    [
        (0, 1, [(0, 0)]),
        (0, 1024, [(0, 0)]),
        (0, 1025, [(0, 0), (1, 512)]),
        (512, 512, [(0, 512)]),
        (512, 513, [(0, 512), (1, 513)]),
        (512, 1100, [(0, 512), (512, 1024), (588, 1100)]),
    ],
)
def test_windows_of_suno(history: int, frames: int, expected: list[tuple[int, int]]) -> None:
    windows = SUNO.windows(history, frames)
    assert [(window.start, window.fill_from) for window in windows] == expected


@given(geometry=GEOMETRIES, history=st.integers(0, 512), frames=st.integers(1, 4000))
def test_windows_fill_every_frame(geometry: FineGeometry, history: int, frames: int) -> None:
    history = min(history, geometry.hop)
    filled = set()
    for window in geometry.windows(history, frames):
        assert window.start <= window.fill_from
        filled |= set(range(window.fill_from, window.start + geometry.length))
    assert set(range(history, history + frames)) <= filled


@given(
    geometry=GEOMETRIES,
    history=st.integers(0, 512),
    frames=st.integers(1, 4000),
    known=st.integers(0, 4000),
)
def test_windows_beyond_skips_only_useless_windows(
    geometry: FineGeometry, history: int, frames: int, known: int
) -> None:
    history, known = min(history, geometry.hop), min(known, frames - 1)
    every = geometry.windows(history, frames)
    beyond = geometry.windows_beyond(history, frames, known)
    assert beyond
    assert every[-len(beyond) :] == beyond
    left_out = every[: -len(beyond)]
    assert all(window.start + geometry.length <= history + known for window in left_out)


@pytest.mark.parametrize(
    ("plan", "fills"),
    [
        (ChunkPlan(first=22, growth=1.5, most=60, lookahead=30), [52, 85, 134, 194, 254]),
        (ChunkPlan(first=3, growth=1.2, most=99, lookahead=0), [3, 6, 10, 15, 21]),  # from 1.2 ** n
        (ChunkPlan(first=20, growth=1, most=60, lookahead=8), [28, 48, 68, 88, 108]),
        (ChunkPlan(first=20, growth=2, most=5, lookahead=0), [20, 25, 30, 35, 40]),
    ],
)
def test_fills_depend_on_frame_counts_only(plan: ChunkPlan, fills: list[int]) -> None:
    assert list(islice(plan.fills(), len(fills))) == fills


@given(
    first=st.integers(1, 60),
    growth=st.floats(1, 4),
    most=st.integers(1, 512),
    lookahead=st.integers(0, 60),
)
def test_growing_chunks_prevent_underruns(
    first: int, growth: float, most: int, lookahead: int
) -> None:
    """A frame takes `took` frames' time; the player starts with the first chunk."""
    fills = list(islice(ChunkPlan(first, growth, most, lookahead).fills(), 20))
    took = 0.999 / growth * first / (first + 1)  # chunks are whole frames
    for played, fill in pairwise(fills):
        assert (fill - fills[0]) * took <= played - lookahead
