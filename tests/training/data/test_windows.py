"""Coarse windows equal those of the reference."""

import numpy as np
import pytest

from training.config import CoarseLayout
from training.data.windows import Utterance, flat_codes, stream

LAYOUT = CoarseLayout()


def utterance(tokens: int, offset: int = 0) -> Utterance:
    """Return an utterance whose tokens are their own positions."""
    codes = int(tokens * LAYOUT.ratio / 2) * 2 + 4
    return Utterance(np.arange(tokens) + offset, np.arange(codes) + 10_000 + offset)


def test_flat_codes_interleaves_two_codebooks() -> None:
    codes = np.array([[1, 2, 9], [3, 4, 9]])
    first = LAYOUT.semantic_vocab
    assert flat_codes(codes, LAYOUT).tolist() == [first + 1, first + 1026, first + 3, first + 1028]


def test_first_windows_without_history_share_their_tokens() -> None:
    cut = stream(utterance(200), None, LAYOUT)
    first, second = cut.window(0, LAYOUT), cut.window(1, LAYOUT)
    assert first.semantic.tolist() == second.semantic.tolist() == list(range(128))
    assert len(first.context) == 0
    assert second.context.tolist() == first.target.tolist()


def test_later_windows_slide_as_in_the_reference() -> None:
    cut, produced = stream(utterance(200), None, LAYOUT), 6 * LAYOUT.stride
    window = cut.window(6, LAYOUT)
    first = round(produced / LAYOUT.ratio) - LAYOUT.semantic_history
    assert window.semantic[0] == first
    assert window.context.tolist() == list(
        range(10_000 + produced - LAYOUT.history, 10_000 + produced)
    )


def test_last_window_is_padded_and_short() -> None:
    cut = stream(utterance(150), None, LAYOUT)
    window = cut.window(cut.windows(LAYOUT) - 1, LAYOUT)
    assert window.semantic[-1] == LAYOUT.pad
    total = int(150 * LAYOUT.ratio / 2) * 2
    assert len(window.target) == total % LAYOUT.stride


@pytest.mark.parametrize("tokens", [20, 77, 78, 150])
def test_history_loses_its_last_two_codes(tokens: int) -> None:
    history = utterance(tokens)
    cut = stream(utterance(100, 500), history, LAYOUT)
    kept = min(78, tokens // 2 * 2)
    assert cut.semantic_start == kept
    assert cut.coarse_start == round(kept * LAYOUT.ratio) - 2
    window = cut.window(0, LAYOUT)
    assert window.semantic[:kept].tolist() == history.semantic[-kept:].tolist()
    assert window.context[-1] == history.coarse[-3]
    assert window.target[:2].tolist() == history.coarse[-2:].tolist()
