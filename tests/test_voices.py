"""Voices: what is one and what is not, from arrays, .npz bytes and checkpoints."""

import io
import json
import shutil
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from barkserve import voices
from barkserve.bark_config import BarkConfig
from barkserve.checkpoint_folder import CheckpointFolder
from barkserve.errors import BarkserveError, CheckpointError, InvalidArgument, NotFound
from barkserve.voice_card import VoiceCard, preset_card
from barkserve.voices import (
    MAX_NPZ_BYTES,
    PROMPTS,
    Voice,
    VoiceLibrary,
    parse_voice,
    voice_from_npz,
)
from tests.checkpoints import ODD, SUNO_SHAPED, TINY, build_checkpoint, random_voice, suno_voices

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
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_checkpoint(tmp_path_factory.mktemp("checkpoint") / "tiny", TINY)


@pytest.fixture(scope="module")
def config(built: Path) -> BarkConfig:
    return CheckpointFolder.open(built).bark


@pytest.fixture
def folder(built: Path, tmp_path: Path) -> Path:
    """A copy to break."""
    return Path(shutil.copytree(built, tmp_path / "tiny"))


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


def _assert_is(voice: Voice, arrays: Arrays) -> None:
    for prompt in PROMPTS:
        array = getattr(voice, prompt)
        assert array.dtype == np.int32
        assert array.flags.c_contiguous
        assert not array.flags.writeable
        np.testing.assert_array_equal(array, arrays[prompt])


@pytest.mark.parametrize(
    "dtype", ["int8", "uint8", "int16", "uint16", "int32", "int64", "uint64", ">i4"]
)
def test_any_integers_make_a_voice(dtype: str, arrays: Arrays, config: BarkConfig) -> None:
    given = {prompt: array.astype(dtype) for prompt, array in arrays.items()}
    voice = parse_voice(given, config, "mine")
    assert voice.name == "mine"
    _assert_is(voice, arrays)


def test_a_voice_is_a_copy(arrays: Arrays, config: BarkConfig) -> None:
    given = {prompt: array.astype(np.int32) for prompt, array in arrays.items()}
    voice = parse_voice(given, config, "mine")
    given["semantic_prompt"][:] = 0
    _assert_is(voice, arrays)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("compressed", [False, True])
def test_npz_bytes_make_a_voice(
    order: Any, compressed: bool, arrays: Arrays, config: BarkConfig
) -> None:
    data = _npz(
        {key: np.array(array, order=order) for key, array in arrays.items()}, compressed=compressed
    )
    voice = voice_from_npz(data, config)
    assert voice.name == "inline"
    _assert_is(voice, arrays)


def test_codebooks_are_counted_by_the_checkpoint(tmp_path: Path, arrays: Arrays) -> None:
    odd = CheckpointFolder.open(build_checkpoint(tmp_path, ODD)).bark
    assert parse_voice(random_voice(ODD, 9, seed=0), odd, "four").fine_prompt.shape == (4, 11)
    with pytest.raises(InvalidArgument, match=r"fine_prompt has the shape \(8, .*must be \(4, m\)"):
        parse_voice({key: array % 24 for key, array in arrays.items()}, odd, "eight")


@pytest.mark.parametrize(
    ("prompt", "array", "message"),
    [
        ("semantic_prompt", None, "semantic_prompt is missing"),
        ("fine_prompt", None, "fine_prompt is missing"),
        ("semantic_prompt", np.zeros(50), "semantic_prompt has the type float64"),
        ("semantic_prompt", np.zeros(50, bool), "semantic_prompt has the type bool"),
        ("semantic_prompt", np.zeros((1, 50), int), r"shape \(1, 50\), it must be \(n,\)"),
        ("semantic_prompt", np.array(3), r"shape \(\), it must be \(n,\)"),
        ("semantic_prompt", np.zeros(1, int), "1 tokens, it must have at least 2"),
        ("semantic_prompt", np.full(50, 100), "values from 100 to 100, they must be from 0 to 99"),
        ("semantic_prompt", np.full(50, -1), "values from -1 to -1, they must be from 0 to 99"),
        ("semantic_prompt", np.full(50, 2**64 - 1, np.uint64), "from 0 to 99"),
        ("coarse_prompt", np.zeros(75, int), r"shape \(75,\), it must be \(2, m\)"),
        ("coarse_prompt", np.zeros((75, 2), int), r"shape \(75, 2\), it must be \(2, m\)"),
        ("coarse_prompt", np.zeros((2, 1), int), "1 frames, it must have at least 2"),
        ("coarse_prompt", np.zeros((2, 0), int), "0 frames, it must have at least 2"),
        ("coarse_prompt", np.full((2, 75), 64), "from 0 to 63"),
        ("fine_prompt", np.zeros((7, 75), int), r"shape \(7, 75\), it must be \(8, m\)"),
        (
            "fine_prompt",
            np.zeros((8, 74), int),
            "74 frames and coarse_prompt 75, they must be equal",
        ),
        ("fine_prompt", np.full((8, 75), -5), "from 0 to 63"),
    ],
)
def test_what_is_wrong_is_said(
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


def test_the_field_may_be_named_otherwise(config: BarkConfig) -> None:
    with pytest.raises(InvalidArgument, match=r"^history: semantic_prompt is missing"):
        parse_voice({}, config, "mine", field="history")


@pytest.mark.parametrize("data", [b"", b"PK", b"\x93NUMPY", _npy(np.zeros(3)), _zip({})[:-1]])
def test_what_is_no_archive_is_refused(data: bytes, config: BarkConfig) -> None:
    with pytest.raises(InvalidArgument, match=r"no valid \.npz"):
        voice_from_npz(data, config)


@pytest.mark.parametrize(
    ("member", "message"),
    [
        (b"", "no valid .npy"),
        (b"\x93NUMPY\x09\x00", "no valid .npy"),
        (b"\x93NUMPY\x01\x00\x04\x00{{{{", "no valid .npy"),
        (_npy(np.arange(9))[:-1], "do not make the shape"),
        (_npy(np.array([{}, "code"], dtype=object)), "has the type object"),
        (_npy(np.zeros(3, dtype=[("a", int)])), "has the type"),
    ],
)
def test_broken_members_are_refused(
    member: bytes, message: str, arrays: Arrays, config: BarkConfig
) -> None:
    members = {f"{key}.npy": _npy(array) for key, array in arrays.items()}
    with pytest.raises(InvalidArgument, match=message):
        voice_from_npz(_zip(members | {"semantic_prompt.npy": member}), config)


def _header(shape: str) -> bytes:
    """A .npy file that claims a shape and has eight bytes."""
    text = f"{{'descr': '<i8', 'fortran_order': False, 'shape': {shape}}}".encode()
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + bytes(8)


@pytest.mark.parametrize(
    "shape", ["(10**12,)", "(1000000000000,)", "(-1,)", "(-1, -1)", "(0, 99999)", "(2**70,)"]
)
def test_a_claimed_size_takes_no_memory(shape: str, arrays: Arrays, config: BarkConfig) -> None:
    members = {f"{key}.npy": _npy(array) for key, array in arrays.items()}
    with pytest.raises(InvalidArgument, match=r"no valid \.npy"):
        voice_from_npz(_zip(members | {"semantic_prompt.npy": _header(shape)}), config)


def test_large_files_are_refused_unread(config: BarkConfig) -> None:
    with pytest.raises(
        InvalidArgument, match=f"{MAX_NPZ_BYTES + 1} bytes, at most {MAX_NPZ_BYTES}"
    ):
        voice_from_npz(bytes(MAX_NPZ_BYTES + 1), config)


def test_bombs_are_refused_unpacked(arrays: Arrays, config: BarkConfig) -> None:
    bomb = _zip({"semantic_prompt.npy": _npy(np.zeros(4 << 20, np.int64))})
    assert len(bomb) < MAX_NPZ_BYTES
    with pytest.raises(InvalidArgument, match="unpacks to more than 8 MiB"):
        voice_from_npz(bomb, config)


def test_a_bomb_that_lies_about_its_size_is_not_unpacked(config: BarkConfig) -> None:
    content = _npy(np.zeros(4 << 20, np.int64))
    size = len(content).to_bytes(4, "little")
    bomb = _zip({"semantic_prompt.npy": content})
    assert bomb.count(size) == 2  # in the member's own header and in the directory
    liar = bomb.replace(size, (99).to_bytes(4, "little"))
    tracemalloc.start()
    try:
        with pytest.raises(InvalidArgument, match="valid"):
            voice_from_npz(liar, config)
        assert tracemalloc.get_traced_memory()[1] < len(content) // 10
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("compression", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_other_compressions_are_refused(
    compression: int, arrays: Arrays, config: BarkConfig
) -> None:
    members = {f"{key}.npy": _npy(array) for key, array in arrays.items()}
    with pytest.raises(InvalidArgument, match="packed in a way"):
        voice_from_npz(_zip(members, compression), config)


@given(st.binary(max_size=300), st.integers(0, 5000))
def test_no_damage_gets_through_as_another_error(config: BarkConfig, noise: bytes, at: int) -> None:
    data = bytearray(_npz(random_voice(TINY, 10, seed=0)))
    data[at : at + len(noise)] = noise
    try:
        voice = voice_from_npz(bytes(data), config)
    except InvalidArgument:
        return
    assert voice.coarse_prompt.shape[1] == voice.fine_prompt.shape[1]


@pytest.mark.parametrize("name", SUNO_VOICES)
def test_sunos_own_voices_fit_their_shapes(name: str, tmp_path: Path) -> None:
    file = suno_voices() / f"{name}.npz"
    config = CheckpointFolder.open(build_checkpoint(tmp_path, SUNO_SHAPED)).bark
    voice = voice_from_npz(file.read_bytes(), config, name)
    with np.load(file, allow_pickle=False) as arrays:
        _assert_is(voice, dict(arrays))


def _library(folder: Path) -> VoiceLibrary:
    return VoiceLibrary(CheckpointFolder.open(folder))


def _edit_paths(folder: Path, change: dict[str, Any]) -> None:
    file = folder / "speaker_embeddings_path.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))


def test_a_library_names_its_voices(built: Path) -> None:
    library = _library(built)
    assert library.names() == ("v2/test_speaker_0", "v2/test_speaker_1")
    assert library.default == "v2/test_speaker_0"


def test_a_library_reads_a_voice_once(folder: Path) -> None:
    library = _library(folder)
    voice = library.get("v2/test_speaker_0")
    _assert_is(voice, random_voice(TINY, TINY.max_input_semantic_length // 3, seed=0))
    assert voice.name == "v2/test_speaker_0"
    shutil.rmtree(folder / "speaker_embeddings")
    assert library.get("v2/test_speaker_0") is voice


def test_a_checkpoint_need_not_have_voices(tmp_path: Path) -> None:
    folder = build_checkpoint(tmp_path, TINY)
    (folder / "speaker_embeddings_path.json").unlink()
    _edit_generation(folder, default_voice=None)
    library = _library(folder)
    assert (library.names(), library.default) == ((), None)
    with pytest.raises(NotFound, match="has no voices"):
        library.get("v2/test_speaker_0")


def _edit_generation(folder: Path, **change: object) -> None:
    file = folder / "generation_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))


def test_a_default_voice_must_exist(folder: Path) -> None:
    _edit_generation(folder, default_voice="v2/nobody")
    with pytest.raises(CheckpointError, match=r"default_voice 'v2/nobody'"):
        _library(folder)


def test_an_unknown_name_is_answered_with_near_ones(built: Path) -> None:
    with pytest.raises(NotFound) as caught:
        _library(built).get("v2/test_speaker")
    assert "v2/test_speaker_0, v2/test_speaker_1" in str(caught.value)
    assert "barkclient voices" in str(caught.value)


@pytest.mark.parametrize(
    "name", ["", "repo_or_path", "../tiny/v2/test_speaker_0", "/etc/passwd", "x" * 10**6]
)
def test_strange_names_are_unknown(name: str, built: Path) -> None:
    with pytest.raises(NotFound) as caught:
        _library(built).get(name)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    "path",
    ["../secret.npy", "/etc/passwd", "speaker_embeddings/../../secret.npy", "..", ".", "a\0b", ""],
)
def test_no_path_leads_out_of_the_folder(path: str, folder: Path) -> None:
    np.save(folder.parent / "secret.npy", np.zeros(50, int))
    _edit_paths(folder, {"evil": dict.fromkeys(PROMPTS, path)})
    with pytest.raises(CheckpointError, match="leads out of the checkpoint's folder"):
        _library(folder).get("evil")


def test_links_are_followed_as_in_the_hubs_cache(folder: Path) -> None:
    blobs = folder.parent / "blobs"
    (folder / "speaker_embeddings" / "v2").rename(blobs)
    (folder / "speaker_embeddings" / "v2").mkdir()
    for file in blobs.iterdir():
        (folder / "speaker_embeddings" / "v2" / file.name).symlink_to(file)
    assert _library(folder).get("v2/test_speaker_0")


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (3, "gives no path of its semantic_prompt"),
        ({}, "gives no path of its semantic_prompt"),
        (dict.fromkeys(PROMPTS, 3), "gives no path of its semantic_prompt"),
        (dict.fromkeys(PROMPTS, "absent.npy"), "cannot be read"),
        (dict.fromkeys(PROMPTS, "speaker_embeddings"), "cannot be read"),
        (dict.fromkeys(PROMPTS, "config.json"), "no valid .npy"),
    ],
)
def test_broken_entries_are_said(entry: object, message: str, folder: Path) -> None:
    _edit_paths(folder, {"broken": entry})
    library = _library(folder)
    with pytest.raises(
        CheckpointError, match=f"voice 'broken' of checkpoint tiny is broken: .*{message}"
    ):
        library.get("broken")
    assert library.get("v2/test_speaker_0")


def test_a_voice_of_another_checkpoint_is_said(folder: Path) -> None:
    file = folder / "speaker_embeddings" / "v2" / "test_speaker_0_coarse_prompt.npy"
    np.save(file, np.full((2, 75), 1000))
    with pytest.raises(CheckpointError, match="coarse_prompt holds values from 1000"):
        _library(folder).get("v2/test_speaker_0")


def test_large_arrays_are_not_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(voices, "MAX_ARRAY_BYTES", 100)
    with pytest.raises(CheckpointError, match="is larger than"):
        _library(folder).get("v2/test_speaker_0")


@pytest.mark.parametrize("content", ["", "[]"])
def test_a_broken_list_of_voices_is_said(content: str, folder: Path) -> None:
    (folder / "speaker_embeddings_path.json").write_text(content)
    with pytest.raises(BarkserveError, match=r"speaker_embeddings_path\.json is broken"):
        _library(folder)


def test_a_hub_checkpoint_fetches_just_the_three_files(
    built: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(folder / "speaker_embeddings")
    fetched: list[tuple[str, str, str]] = []

    def fetch(repository: str, filename: str, revision: str) -> Path:
        fetched.append((repository, filename, revision))
        return built / filename

    monkeypatch.setattr(voices, "fetch_file", fetch)
    here = CheckpointFolder.open(folder)
    hub = CheckpointFolder(
        here.path, "suno/tiny", "c0ffee", here.config, here.generation, here.bark
    )
    VoiceLibrary(hub).get("v2/test_speaker_1")
    start = "speaker_embeddings/v2/test_speaker_1"
    assert fetched == [("suno/tiny", f"{start}_{prompt}.npy", "c0ffee") for prompt in PROMPTS]


def test_the_130_presets_of_a_hub_checkpoint_have_names_and_load_on_first_use(
    built: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    languages = ["de", "en", "es", "fr", "hi", "it", "ja", "ko", "pl", "pt", "ru", "tr", "zh"]
    names = [f"v2/{language}_speaker_{n}" for language in languages for n in range(10)]
    paths = {
        name: {prompt: f"speaker_embeddings/{name}_{prompt}.npy" for prompt in PROMPTS}
        for name in names
    }
    (folder / "speaker_embeddings_path.json").write_text(json.dumps({"repo_or_path": "x"} | paths))
    _edit_generation(folder, default_voice=None)
    fetched: list[str] = []

    def fetch(repository: str, filename: str, revision: str) -> Path:
        fetched.append(filename)
        prompt = next(prompt for prompt in PROMPTS if filename.endswith(f"{prompt}.npy"))
        return built / f"speaker_embeddings/v2/test_speaker_0_{prompt}.npy"

    monkeypatch.setattr(voices, "fetch_file", fetch)
    here = CheckpointFolder.open(folder)
    library = VoiceLibrary(
        CheckpointFolder(here.path, "suno/tiny", "c0ffee", here.config, here.generation, here.bark)
    )
    cards = [library.card(name) for name in library.names()]
    assert [card.name for card in cards] == sorted(names)
    assert library.languages() == tuple(languages)
    assert library.card("v2/en_speaker_6").description == "English, speaker 6"
    assert fetched == []
    library.get("v2/hi_speaker_3")
    library.get("v2/hi_speaker_3")
    assert fetched == list(paths["v2/hi_speaker_3"].values())


@pytest.mark.parametrize(
    ("name", "language"),
    [
        ("announcer", "en"),
        ("zh_speaker_3", "zh"),
        ("v2/xx_speaker_1", ""),
        ("v2/rms", ""),
        ("", ""),
    ],
)
def test_a_name_tells_the_language_if_suno_gave_it(name: str, language: str) -> None:
    assert preset_card(name).language == language


def test_the_checkpoint_may_tell_more_of_a_voice(folder: Path) -> None:
    entry = json.loads((folder / "speaker_embeddings_path.json").read_text())["v2/test_speaker_0"]
    told = entry | {"language": "fr", "description": "a woman"}
    _edit_paths(folder, {"v2/test_speaker_0": told, "v2/en_speaker_1": told | {"language": 3}})
    library = _library(folder)
    assert library.card("v2/test_speaker_0") == VoiceCard("v2/test_speaker_0", "fr", "a woman")
    assert library.card("v2/en_speaker_1").language == "en"
    assert library.get("v2/test_speaker_0").language == "fr"
