"""Speaker-specific pause tokens."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from barkserve.checkpoint.folder import bundled_checkpoint
from training.config import SPEAKERS, THIRDS, SemanticLayout
from training.data.alignment import phone_runs
from training.data.corpus import Spoken
from training.data.pauses import PAUSES, marked, unmarked
from training.publish.export import copy_voices
from training.train.semantic import sentences

SPOKEN = np.array([0, 1, 2, 30, 31, 32, 0, 2, 141, 142, 143, 0, 1, 2])
NAMES = [speaker.name for speaker in SPEAKERS]


@pytest.mark.parametrize("name", NAMES)
def test_unmarked_restores_marked_tokens(name: str) -> None:
    tokens = marked(SPOKEN, name)
    assert tokens.max() < SemanticLayout().vocab_size
    assert unmarked(tokens).tolist() == SPOKEN.tolist()
    phones, index = phone_runs(tokens)
    assert [one.tolist() for one in phone_runs(SPOKEN)] == [phones.tolist(), index.tolist()]


def test_marked_changes_only_pauses_and_per_speaker() -> None:
    every = np.stack([marked(SPOKEN, name) for name in NAMES])
    same = (every == every[0]).all(0)
    assert same.tolist() == (SPOKEN >= 3).tolist()
    assert len(set(PAUSES.values())) == len(NAMES)
    assert np.array_equal(every[0], SPOKEN)


def test_marked_replaces_an_earlier_mark() -> None:
    assert np.array_equal(marked(marked(SPOKEN, "slt"), "awb"), marked(SPOKEN, "awb"))


def test_sentences_have_the_pauses_of_their_speaker() -> None:
    spoken = Spoken("a bat.", SPOKEN, np.zeros((0, 4), np.int64))
    every = {name: sentences([spoken], name)[0] for name in NAMES}
    assert every["slt"].semantic.tolist() == marked(SPOKEN, "slt").tolist()
    assert every["slt"].phone.tolist() == every["rms"].phone.tolist()


def test_copied_voices_are_marked(tmp_path: Path) -> None:
    copy_voices(bundled_checkpoint(), tmp_path)
    for name in NAMES:
        prompt = np.load(tmp_path / "speaker_embeddings" / "v2" / f"{name}_semantic_prompt.npy")
        assert np.array_equal(prompt, marked(prompt, name))
        assert (prompt // THIRDS == PAUSES[name]).any()


@pytest.mark.parametrize("name", NAMES)
def test_bundled_voices_have_their_speakers_pauses(name: str) -> None:
    folder = bundled_checkpoint() / "speaker_embeddings" / "v2"
    prompt = np.load(folder / f"{name}_semantic_prompt.npy")
    assert np.array_equal(prompt, marked(prompt, name))
    assert (prompt // THIRDS == PAUSES[name]).any()


def test_bundled_coarse_model_embeds_all_pauses_alike() -> None:
    weights = load_file(bundled_checkpoint() / "model.safetensors")
    embeds = weights["coarse_acoustics.input_embeds_layer.weight"]
    assert torch.equal(embeds[marked(SPOKEN, "slt")], embeds[SPOKEN])
