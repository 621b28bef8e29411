"""Voices from arrays and from .npz bytes: valid ones, and errors for others."""

import io
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from barkserve.checkpoint.bark_config import BarkConfig
from barkserve.checkpoint.folder import CheckpointFolder
from barkserve.checkpoint.voices import (
    MAX_ARRAY_TOKENS,
    MAX_NPZ_BYTES,
    PROMPTS,
    Voice,
    parse_voice,
    voice_from_npz,
)
from barkserve.errors import InvalidArgument
from fixtures.checkpoints import ODD, SUNO_SHAPED, TINY, build_checkpoint, random_voice
from tests.support.suno_voices import suno_voices

Arrays = dict[str, np.ndarray[Any, Any]]

SUNO_VOICES = (
    "announcer",
    "de_speaker_1",
    "en_speaker_6",
    "en_speaker_9",
    "fr_speaker_5",
    "zh_speaker_3",
)


@pytest.fixture(scope="module")
def config(tiny_folder: Path) -> BarkConfig:
    return CheckpointFolder.open(tiny_folder).bark


@pytest.fixture
def arrays() -> Arrays:
    return random_voice(TINY, 50, seed=5)


def _npz(arrays: Arrays, *, compressed: bool = False) -> bytes:
    stream = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(stream, **arrays)
    return stream.getvalue()


def _npy(array: object) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)  # pickles objects
    return stream.getvalue()


def _zip(members: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


def _assert_equals(voice: Voice, arrays: Arrays) -> None:
    for prompt in PROMPTS:
        array = getattr(voice, prompt)
        assert array.dtype == np.int32
        assert array.flags.c_contiguous
        assert not array.flags.writeable
        np.testing.assert_array_equal(array, arrays[prompt])


@pytest.mark.parametrize(
    "dtype", ["int8", "uint8", "int16", "uint16", "int32", "int64", "uint64", ">i4"]
)
def test_voice_accepts_any_integer_type(dtype: str, arrays: Arrays, config: BarkConfig) -> None:
    given = {prompt: array.astype(dtype) for prompt, array in arrays.items()}
    voice = parse_voice(given, config, "mine")
    assert voice.name == "mine"
    _assert_equals(voice, arrays)


def test_voice_copies_its_arrays(arrays: Arrays, config: BarkConfig) -> None:
    given = {prompt: array.astype(np.int32) for prompt, array in arrays.items()}
    voice = parse_voice(given, config, "mine")
    given["semantic_prompt"][:] = 0
    _assert_equals(voice, arrays)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("compressed", [False, True])
def test_voice_from_npz_reads_savez_files(
    order: Any, compressed: bool, arrays: Arrays, config: BarkConfig
) -> None:
    data = _npz(
        {key: np.array(array, order=order) for key, array in arrays.items()}, compressed=compressed
    )
    voice = voice_from_npz(data, config)
    assert voice.name == "inline"
    _assert_equals(voice, arrays)


def test_voice_needs_the_codebooks_of_the_checkpoint(tmp_path: Path, arrays: Arrays) -> None:
    odd = CheckpointFolder.open(build_checkpoint(tmp_path, ODD)).bark
    assert parse_voice(random_voice(ODD, 9, seed=0), odd, "four").fine_prompt.shape == (4, 11)
    with pytest.raises(
        InvalidArgument, match=r"fine_prompt has shape \(8, .*must have shape \(4, m\)"
    ):
        parse_voice({key: array % 24 for key, array in arrays.items()}, odd, "eight")


@pytest.mark.parametrize(
    ("prompt", "array", "message"),
    [
        ("semantic_prompt", None, "semantic_prompt is missing"),
        ("fine_prompt", None, "fine_prompt is missing"),
        ("semantic_prompt", np.zeros(50), "semantic_prompt has type float64"),
        ("semantic_prompt", np.zeros(50, bool), "semantic_prompt has type bool"),
        ("semantic_prompt", np.zeros((1, 50), int), r"shape \(1, 50\); it must have shape \(n,\)"),
        ("semantic_prompt", np.array(3), r"shape \(\); it must have shape \(n,\)"),
        ("semantic_prompt", np.zeros(1, int), "1 tokens; it must have at least 2"),
        ("semantic_prompt", np.full(50, 100), "values from 100 to 100; they must be from 0 to 99"),
        ("semantic_prompt", np.full(50, -1), "values from -1 to -1; they must be from 0 to 99"),
        ("semantic_prompt", np.full(50, 2**64 - 1, np.uint64), "from 0 to 99"),
        ("coarse_prompt", np.zeros(75, int), r"shape \(75,\); it must have shape \(2, m\)"),
        ("coarse_prompt", np.zeros((75, 2), int), r"shape \(75, 2\); it must have shape \(2, m\)"),
        ("coarse_prompt", np.zeros((2, 1), int), "1 frames; it must have at least 2"),
        ("coarse_prompt", np.zeros((2, 0), int), "0 frames; it must have at least 2"),
        ("coarse_prompt", np.full((2, 75), 64), "from 0 to 63"),
        ("fine_prompt", np.zeros((7, 75), int), r"shape \(7, 75\); it must have shape \(8, m\)"),
        (
            "fine_prompt",
            np.zeros((8, 74), int),
            "74 frames and coarse_prompt 75; they must be equal",
        ),
        ("fine_prompt", np.full((8, 75), -5), "from 0 to 63"),
    ],
)
def test_voice_errors_name_the_prompt(
    prompt: str,
    array: np.ndarray[Any, Any] | None,
    message: str,
    arrays: Arrays,
    config: BarkConfig,
) -> None:
    given = {key: value for key, value in (arrays | {prompt: array}).items() if value is not None}
    with pytest.raises(InvalidArgument, match=message) as caught:
        parse_voice(given, config, "mine")
    assert caught.value.field == "voice.history_prompt"
    with pytest.raises(InvalidArgument, match=prompt) as caught:
        voice_from_npz(_npz(given), config)
    assert caught.value.field == "voice.npz"


def test_voice_errors_name_the_given_field(config: BarkConfig) -> None:
    with pytest.raises(InvalidArgument, match=r"^history: semantic_prompt is missing"):
        parse_voice({}, config, "mine", field="history")


@pytest.mark.parametrize("data", [b"", b"PK", b"\x93NUMPY", _npy(np.zeros(3)), _zip({})[:-1]])
def test_voice_from_npz_rejects_other_files(data: bytes, config: BarkConfig) -> None:
    with pytest.raises(InvalidArgument, match=r"not a valid \.npz"):
        voice_from_npz(data, config)


@pytest.mark.parametrize(
    ("member", "message"),
    [
        (b"", "not a valid .npy"),
        (b"\x93NUMPY\x09\x00", "not a valid .npy"),
        (b"\x93NUMPY\x01\x00\x04\x00{{{{", "not a valid .npy"),
        (_npy(np.arange(9))[:-1], "do not match shape"),
        (_npy(np.array([{}, "code"], dtype=object)), "has type object"),
        (_npy(np.zeros(3, dtype=[("a", int)])), "has type"),
    ],
)
def test_voice_from_npz_rejects_broken_members(
    member: bytes, message: str, arrays: Arrays, config: BarkConfig
) -> None:
    members = {f"{key}.npy": _npy(array) for key, array in arrays.items()}
    with pytest.raises(InvalidArgument, match=message):
        voice_from_npz(_zip(members | {"semantic_prompt.npy": member}), config)


def _header(shape: str) -> bytes:
    """A .npy file with eight bytes whose header claims a shape."""
    text = f"{{'descr': '<i8', 'fortran_order': False, 'shape': {shape}}}".encode()
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + bytes(8)


@pytest.mark.parametrize(
    "shape", ["(10**12,)", "(1000000000000,)", "(-1,)", "(-1, -1)", "(0, 99999)", "(2**70,)"]
)
def test_voice_from_npz_rejects_false_shapes(
    shape: str, arrays: Arrays, config: BarkConfig
) -> None:
    members = {f"{key}.npy": _npy(array) for key, array in arrays.items()}
    with pytest.raises(InvalidArgument, match=r"not a valid \.npy"):
        voice_from_npz(_zip(members | {"semantic_prompt.npy": _header(shape)}), config)


def test_voice_from_npz_rejects_large_files_unread(config: BarkConfig) -> None:
    with pytest.raises(
        InvalidArgument, match=f"{MAX_NPZ_BYTES + 1} bytes; the limit is {MAX_NPZ_BYTES}"
    ):
        voice_from_npz(bytes(MAX_NPZ_BYTES + 1), config)


def test_voice_from_npz_rejects_zip_bombs(arrays: Arrays, config: BarkConfig) -> None:
    bomb = _zip({"semantic_prompt.npy": _npy(np.zeros(4 << 20, np.int64))})
    assert len(bomb) < MAX_NPZ_BYTES
    with pytest.raises(InvalidArgument, match="unpacks to more than 8 MiB"):
        voice_from_npz(bomb, config)


def test_voice_from_npz_does_not_unpack_lying_zip_bombs(config: BarkConfig) -> None:
    content = _npy(np.zeros(4 << 20, np.int64))
    size = len(content).to_bytes(4, "little")
    bomb = _zip({"semantic_prompt.npy": content})
    assert bomb.count(size) == 2  # in the header of the member and in the directory
    lying_bomb = bomb.replace(size, (99).to_bytes(4, "little"))
    tracemalloc.start()
    try:
        with pytest.raises(InvalidArgument, match="valid"):
            voice_from_npz(lying_bomb, config)
        assert tracemalloc.get_traced_memory()[1] < len(content) // 10
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("compression", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_voice_from_npz_rejects_other_compressions(
    compression: int, arrays: Arrays, config: BarkConfig
) -> None:
    members = {f"{key}.npy": _npy(array) for key, array in arrays.items()}
    with pytest.raises(InvalidArgument, match="unsupported compression"):
        voice_from_npz(_zip(members, compression), config)


@given(st.binary(max_size=300), st.integers(0, 5000))
def test_damaged_npz_raises_invalid_argument(config: BarkConfig, noise: bytes, at: int) -> None:
    data = bytearray(_npz(random_voice(TINY, 10, seed=0)))
    data[at : at + len(noise)] = noise
    try:
        voice = voice_from_npz(bytes(data), config)
    except InvalidArgument:
        return
    assert voice.coarse_prompt.shape[1] == voice.fine_prompt.shape[1]


@pytest.mark.parametrize("name", SUNO_VOICES)
def test_suno_voices_are_valid(name: str, tmp_path: Path) -> None:
    file = suno_voices() / f"{name}.npz"
    config = CheckpointFolder.open(build_checkpoint(tmp_path, SUNO_SHAPED)).bark
    voice = voice_from_npz(file.read_bytes(), config, name)
    with np.load(file, allow_pickle=False) as arrays:
        _assert_equals(voice, dict(arrays))


def test_voice_has_a_limit_of_tokens(arrays: Arrays, config: BarkConfig) -> None:
    long = np.zeros(MAX_ARRAY_TOKENS, np.int8)
    assert len(parse_voice({**arrays, "semantic_prompt": long}, config, "mine").semantic_prompt)
    long = np.zeros(MAX_ARRAY_TOKENS + 1, np.int8)
    with pytest.raises(InvalidArgument, match="semantic_prompt has 131073 tokens; the limit is"):
        parse_voice({**arrays, "semantic_prompt": long}, config, "mine")


def test_voice_from_npz_rejects_many_members_unread(
    arrays: Arrays, config: BarkConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading a directory of thousands of members takes long, so it is not read."""
    members = {f"{key}.npy": _npy(array) for key, array in arrays.items()}
    some = _zip(members | {f"other{number}": b"" for number in range(61)})
    _assert_equals(voice_from_npz(some, config), arrays)
    many = _zip(members | {f"other{number}": b"" for number in range(5_000)})
    opened: list[object] = []
    monkeypatch.setattr(zipfile, "ZipFile", opened.append)
    with pytest.raises(InvalidArgument, match="has more than 64 members"):
        voice_from_npz(many, config)
    assert opened == []
