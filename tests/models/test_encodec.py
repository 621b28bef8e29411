"""The EnCodec decoder equals that of transformers, for any chunking."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from barkserve.checkpoint.tensors import Checkpoint
from barkserve.errors import CheckpointError
from barkserve.models.encodec import EncodecDecoder
from barkserve.models.loading import Placement, load_codec
from fixtures.checkpoints import ODD, TINY, CheckpointSpec, reference

CheckpointOf = Callable[[CheckpointSpec], Path]
Codec = tuple[CheckpointSpec, Path, EncodecDecoder]

SPECS = {
    "tiny": TINY,
    "odd": ODD,
    "as wide as EnCodec 24 kHz": replace(TINY, num_filters=32, codec_hidden=128),
    "padded with zeros": replace(TINY, pad_mode="constant"),
}
TOLERANCE = {"atol": 2e-6, "rtol": 1e-4}


@pytest.fixture(scope="module", params=SPECS.values(), ids=SPECS.keys())
def codec(request: pytest.FixtureRequest, checkpoint_of: CheckpointOf) -> Codec:
    folder = checkpoint_of(request.param)
    placement = Placement(torch.device("cpu"), torch.float32, "sdpa")
    return request.param, folder, load_codec(Checkpoint.open(folder), placement)


def random_codes(spec: CheckpointSpec, frames: int, rows: int = 1, seed: int = 0) -> Tensor:
    shape = (rows, frames, spec.n_fine_codebooks)
    return torch.from_numpy(np.random.default_rng(seed).integers(0, spec.codebook_size, shape))


@torch.inference_mode()
def in_chunks(model: EncodecDecoder, codes: Tensor, sizes: list[int]) -> Tensor:
    """Decode chunks of these sizes and the rest: (B, n) samples."""
    state, samples, start = None, [], 0
    for size in [*sizes, codes.shape[1]]:
        if len(codes[0, start : start + size]):
            pcm, state = model(codes[:, start : start + size], state)
            samples.append(pcm)
        start += size
    return torch.cat(samples, dim=1)


@pytest.mark.parametrize("frames", [1, 2, 3, 5, 6, 7, 8, 40])
def test_decoder_equals_transformers(codec: Codec, frames: int) -> None:
    spec, folder, model = codec
    codes = random_codes(spec, frames, rows=2)
    with torch.inference_mode():
        expected = reference(folder).codec_decode(codes.transpose(1, 2))
    samples = in_chunks(model, codes, [])
    assert samples.shape == (2, frames * model.hop_length)
    assert expected.std() > 1e-3  # otherwise the comparison is empty
    torch.testing.assert_close(samples, expected, **TOLERANCE)


@settings(max_examples=8, deadline=None)
@given(frames=st.integers(1, 60), sizes=st.lists(st.integers(1, 20), max_size=40))
def test_any_chunking_equals_the_whole(codec: Codec, frames: int, sizes: list[int]) -> None:
    spec, _, model = codec
    codes = random_codes(spec, frames)
    pieces = in_chunks(model, codes, [model.first_frames, *sizes])
    torch.testing.assert_close(pieces, in_chunks(model, codes, []), **TOLERANCE)


def test_single_frames_equal_the_whole(codec: Codec) -> None:
    spec, _, model = codec
    codes = random_codes(spec, 30)
    pieces = in_chunks(model, codes, [model.first_frames, *[1] * 30])
    torch.testing.assert_close(pieces, in_chunks(model, codes, []), **TOLERANCE)


def test_first_frames_is_the_minimum(codec: Codec) -> None:
    spec, _, model = codec
    codes = random_codes(spec, 30)
    whole = in_chunks(model, codes, [])
    if model.first_frames == 1:
        assert spec.pad_mode != "reflect"
        return
    too_few = in_chunks(model, codes, [model.first_frames - 1])
    assert not torch.allclose(too_few, whole, **TOLERANCE)


def test_rows_do_not_affect_each_other(codec: Codec) -> None:
    spec, _, model = codec
    codes = random_codes(spec, 20, rows=3)
    samples = in_chunks(model, codes, [10])
    changed = codes.clone()
    changed[1] = random_codes(spec, 20, seed=1)[0]
    others = in_chunks(model, changed, [10])
    assert torch.equal(others[[0, 2]], samples[[0, 2]])
    assert not torch.allclose(others[1], samples[1])
    for row in range(3):
        alone = in_chunks(model, codes[row : row + 1], [10])
        torch.testing.assert_close(samples[row : row + 1], alone, **TOLERANCE)


@pytest.mark.parametrize(
    "change",
    [{"use_causal_conv": False}, {"trim_right_ratio": 0.5}, {"norm_type": "time_group_norm"}],
    ids=str,
)
def test_codec_that_cannot_stream_is_refused(
    checkpoint_of: CheckpointOf, change: dict[str, object]
) -> None:
    config = Checkpoint.open(checkpoint_of(TINY)).bark.codec
    with pytest.raises(CheckpointError, match="not the causal mono EnCodec"):
        EncodecDecoder(replace(config, **change), 8)
