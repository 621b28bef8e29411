"""Layers with explicit state: the output does not depend on chunking."""

from collections.abc import Sequence

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from barkserve.models.streaming import StreamingConv1d, StreamingConvTranspose1d, StreamingLSTM

LENGTH = 24
SIZES = st.lists(st.integers(1, 6), max_size=12)

LAYERS = [
    pytest.param(StreamingConv1d(3, 5, 7, 1, "reflect"), id="conv"),
    pytest.param(StreamingConv1d(3, 5, 3, 3, "reflect"), id="dilated conv"),
    pytest.param(StreamingConv1d(3, 5, 7, 1, "constant"), id="conv padded with zeros"),
    pytest.param(StreamingConv1d(3, 5, 1, 1, "reflect"), id="conv without context"),
    pytest.param(StreamingConvTranspose1d(3, 4, 5), id="transposed conv"),
    pytest.param(StreamingConvTranspose1d(3, 4, 1), id="transposed conv of stride 1"),
    pytest.param(StreamingLSTM(3, 2), id="lstm"),
]


def signal(rows: int = 2, seed: int = 0) -> Tensor:
    return torch.randn(rows, 3, LENGTH, generator=torch.Generator().manual_seed(seed))


@torch.inference_mode()
def in_chunks(layer: nn.Module, x: Tensor, sizes: Sequence[int]) -> Tensor:
    """Run chunks of these sizes and the rest; join the outputs."""
    state, outputs, start = None, [], 0
    for size in [*sizes, LENGTH]:
        if chunk := x[..., start : start + size].shape[-1]:
            y, state = layer(x[..., start : start + chunk], state)
            outputs.append(y)
        start += size
    return torch.cat(outputs, dim=-1)


@pytest.mark.parametrize("layer", LAYERS)
@settings(max_examples=15, deadline=None)
@given(sizes=SIZES)
def test_any_chunking_equals_the_whole(layer: nn.Module, sizes: list[int]) -> None:
    x, first = signal(), 7  # frames that a kernel of 7 needs to reflect its start
    torch.testing.assert_close(
        in_chunks(layer, x, [first, *sizes]), in_chunks(layer, x, []), atol=1e-6, rtol=0
    )


@pytest.mark.parametrize("layer", LAYERS)
def test_state_has_one_row_per_utterance(layer: nn.Module) -> None:
    """Rows can be taken from states and joined to states, as streams join and leave batches."""
    with torch.inference_mode():
        x = signal(3)
        _, together = layer(x[..., :10], None)
        rows = [layer(x[row : row + 1, :, :10], None)[1] for row in range(3)]
        torch.testing.assert_close(together, torch.cat(rows), atol=1e-6, rtol=0)
        joined, _ = layer(x[[2, 0], :, 10:], torch.cat([rows[2], rows[0]]))
    whole = in_chunks(layer, x, [])
    later = whole[[2, 0], :, whole.shape[-1] * 10 // LENGTH :]
    torch.testing.assert_close(joined, later, atol=1e-6, rtol=0)


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("begun", [True, False])
def test_padding_on_the_right_changes_nothing(layer: nn.Module, begun: bool) -> None:
    x = signal(2)
    with torch.inference_mode():
        state = layer(x[..., :10], None)[1] if begun else None
        padded, _ = layer(x, state)
        other = torch.cat([x[..., :15], signal(2, seed=1)[..., 15:]], dim=-1)
        alike, _ = layer(other, state)
        same = padded.shape[-1] * 15 // LENGTH
    assert torch.equal(padded[..., :same], alike[..., :same])


def test_stepwise_lstm_equals_the_whole_kernel() -> None:
    """The steps that a graph captures do what torch's own loop does."""
    whole, steps = StreamingLSTM(5, 3), StreamingLSTM(5, 3)
    steps.load_state_dict(whole.state_dict())
    steps.stepwise = True
    x = torch.randn(4, 5, 9, generator=torch.Generator().manual_seed(7))
    with torch.inference_mode():
        for state in (None, whole(x, None)[1]):
            expected, after = whole(x, state)
            outputs, stepped = steps(x, state)
            torch.testing.assert_close(outputs, expected, atol=1e-6, rtol=0)
            torch.testing.assert_close(stepped, after, atol=1e-6, rtol=0)


@pytest.mark.parametrize("layer", LAYERS)
def test_state_can_be_reused(layer: nn.Module) -> None:
    x = signal()
    with torch.inference_mode():
        _, state = layer(x[..., :10], None)
        first, _ = layer(x[..., 10:], state)
        again, _ = layer(x[..., 10:], state)
    assert torch.equal(first, again)
