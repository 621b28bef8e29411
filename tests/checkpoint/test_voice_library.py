"""The voices of a checkpoint: listed, described, and read on first use."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from barkserve.checkpoint import voices
from barkserve.checkpoint.folder import CheckpointFolder
from barkserve.checkpoint.voice_card import VoiceCard, preset_card
from barkserve.checkpoint.voices import (
    PROMPTS,
    VoiceLibrary,
)
from barkserve.errors import BarkserveError, CheckpointError, NotFound
from fixtures.checkpoints import TINY, build_checkpoint, random_voice


def _library(folder: Path) -> VoiceLibrary:
    return VoiceLibrary(CheckpointFolder.open(folder))


def _edit_paths(folder: Path, change: dict[str, Any]) -> None:
    file = folder / "speaker_embeddings_path.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))


def test_library_lists_its_voices(tiny_folder: Path) -> None:
    library = _library(tiny_folder)
    assert library.names() == ("v2/test_speaker_0", "v2/test_speaker_1")
    assert library.default == "v2/test_speaker_0"


def test_library_reads_a_voice_once(folder: Path) -> None:
    library = _library(folder)
    voice = library.get("v2/test_speaker_0")
    expected = random_voice(TINY, TINY.max_input_semantic_length // 3, seed=0)
    for prompt in PROMPTS:
        np.testing.assert_array_equal(getattr(voice, prompt), expected[prompt])
    assert voice.name == "v2/test_speaker_0"
    shutil.rmtree(folder / "speaker_embeddings")
    assert library.get("v2/test_speaker_0") is voice


def test_library_may_be_empty(tmp_path: Path) -> None:
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


def test_library_requires_the_default_voice(folder: Path) -> None:
    _edit_generation(folder, default_voice="v2/unknown")
    with pytest.raises(CheckpointError, match=r"default_voice to 'v2/unknown'"):
        _library(folder)


def test_unknown_name_error_suggests_similar_ones(tiny_folder: Path) -> None:
    with pytest.raises(NotFound) as caught:
        _library(tiny_folder).get("v2/test_speaker")
    assert "v2/test_speaker_0, v2/test_speaker_1" in str(caught.value)
    assert "barkclient voices" in str(caught.value)


@pytest.mark.parametrize(
    "name", ["", "repo_or_path", "../tiny/v2/test_speaker_0", "/etc/passwd", "x" * 10**6]
)
def test_library_does_not_know_strange_names(name: str, tiny_folder: Path) -> None:
    with pytest.raises(NotFound) as caught:
        _library(tiny_folder).get(name)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    "path",
    ["../secret.npy", "/etc/passwd", "speaker_embeddings/../../secret.npy", "..", ".", "a\0b", ""],
)
def test_library_rejects_paths_outside_the_checkpoint(path: str, folder: Path) -> None:
    np.save(folder.parent / "secret.npy", np.zeros(50, int))
    _edit_paths(folder, {"evil": dict.fromkeys(PROMPTS, path)})
    with pytest.raises(CheckpointError, match="is outside the checkpoint's folder"):
        _library(folder).get("evil")


def test_library_follows_links_of_the_hub_cache(folder: Path) -> None:
    blobs = folder.parent / "blobs"
    (folder / "speaker_embeddings" / "v2").rename(blobs)
    (folder / "speaker_embeddings" / "v2").mkdir()
    for file in blobs.iterdir():
        (folder / "speaker_embeddings" / "v2" / file.name).symlink_to(file)
    assert _library(folder).get("v2/test_speaker_0")


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (3, "has no path for its semantic_prompt"),
        ({}, "has no path for its semantic_prompt"),
        (dict.fromkeys(PROMPTS, 3), "has no path for its semantic_prompt"),
        (dict.fromkeys(PROMPTS, "absent.npy"), "cannot be read"),
        (dict.fromkeys(PROMPTS, "speaker_embeddings"), "cannot be read"),
        (dict.fromkeys(PROMPTS, "config.json"), "not a valid .npy"),
    ],
)
def test_library_reports_broken_entries(entry: object, message: str, folder: Path) -> None:
    _edit_paths(folder, {"broken": entry})
    library = _library(folder)
    with pytest.raises(
        CheckpointError, match=f"voice 'broken' of checkpoint tiny is broken: .*{message}"
    ):
        library.get("broken")
    assert library.get("v2/test_speaker_0")


def test_library_reports_voices_of_another_checkpoint(folder: Path) -> None:
    file = folder / "speaker_embeddings" / "v2" / "test_speaker_0_coarse_prompt.npy"
    np.save(file, np.full((2, 75), 1000))
    with pytest.raises(CheckpointError, match="coarse_prompt has values from 1000"):
        _library(folder).get("v2/test_speaker_0")


def test_library_does_not_read_large_arrays(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(voices, "MAX_ARRAY_BYTES", 100)
    with pytest.raises(CheckpointError, match="is larger than"):
        _library(folder).get("v2/test_speaker_0")


@pytest.mark.parametrize("content", ["", "[]"])
def test_library_reports_a_broken_list(content: str, folder: Path) -> None:
    (folder / "speaker_embeddings_path.json").write_text(content)
    with pytest.raises(BarkserveError, match=r"speaker_embeddings_path\.json is broken"):
        _library(folder)


def test_library_downloads_three_files_of_a_voice(
    tiny_folder: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(folder / "speaker_embeddings")
    fetched: list[tuple[str, str, str]] = []

    def fetch(repository: str, filename: str, revision: str) -> Path:
        fetched.append((repository, filename, revision))
        return tiny_folder / filename

    monkeypatch.setattr(voices, "fetch_file", fetch)
    here = CheckpointFolder.open(folder)
    hub = CheckpointFolder(
        here.path, "suno/tiny", "c0ffee", here.config, here.generation, here.bark
    )
    VoiceLibrary(hub).get("v2/test_speaker_1")
    start = "speaker_embeddings/v2/test_speaker_1"
    assert fetched == [("suno/tiny", f"{start}_{prompt}.npy", "c0ffee") for prompt in PROMPTS]


def test_library_downloads_presets_on_first_use(
    tiny_folder: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
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
        return tiny_folder / f"speaker_embeddings/v2/test_speaker_0_{prompt}.npy"

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
def test_preset_card_finds_the_language_in_the_name(name: str, language: str) -> None:
    assert preset_card(name).language == language


def test_library_reads_descriptions_of_the_checkpoint(folder: Path) -> None:
    entry = json.loads((folder / "speaker_embeddings_path.json").read_text())["v2/test_speaker_0"]
    described = entry | {"language": "fr", "description": "a woman"}
    _edit_paths(
        folder, {"v2/test_speaker_0": described, "v2/en_speaker_1": described | {"language": 3}}
    )
    library = _library(folder)
    assert library.card("v2/test_speaker_0") == VoiceCard("v2/test_speaker_0", "fr", "a woman")
    assert library.card("v2/en_speaker_1").language == "en"
    assert library.get("v2/test_speaker_0").language == "fr"
