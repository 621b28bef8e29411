"""The windows that the coarse model is trained on."""

import numpy as np
import torch

from training.config import CODEBOOK_SIZE, SPEAKERS, CoarseLayout
from training.data.corpus import Spoken
from training.train.coarse import IGNORED, NEAR, WindowSource, near_codes

LAYOUT = CoarseLayout()


def spoken(first_code: int, random: np.random.Generator) -> Spoken:
    codes = random.integers(0, 256, (300, 4)).astype(np.int16)
    codes[:, 0] += first_code
    return Spoken(np.zeros(1, np.uint8), random.integers(0, 123, 200), codes)


def test_near_codes_are_other_codes_of_the_same_speaker() -> None:
    near = near_codes(torch.randn(CODEBOOK_SIZE, 24))
    assert near.shape == (CODEBOOK_SIZE, NEAR)
    assert not (near == np.arange(CODEBOOK_SIZE)[:, None]).any()
    for speaker in SPEAKERS:
        own = slice(speaker.first_code, speaker.first_code + speaker.codes)
        assert own.start <= near[own].min()
        assert near[own].max() < own.stop


def test_slips_are_few_near_and_never_targets() -> None:
    random = np.random.default_rng(0)
    every = {one.name: [spoken(one.first_code, random)] for one in SPEAKERS}
    near = near_codes(torch.randn(CODEBOOK_SIZE, 24))
    ids, targets = WindowSource(every, LAYOUT, 5, near).batch(16)
    wanted, shown = targets[:, :-1], ids[:, 1:]
    both = (wanted != IGNORED) & (targets[:, 1:] != IGNORED)  # the last code is only a target
    first = LAYOUT.semantic_vocab
    spectral = both & (wanted >= first) & (wanted < first + CODEBOOK_SIZE)
    slipped = spectral & (wanted != shown)
    assert 0.04 < slipped.sum() / spectral.sum() < 0.12
    replacements = near[wanted[slipped] - first] + first
    assert (replacements == shown[slipped].numpy()[:, None]).any(1).all()
    assert torch.equal(wanted[both & ~spectral], shown[both & ~spectral])
