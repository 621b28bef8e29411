"""What the coarse model is shown."""

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


def test_near_codes_are_of_the_same_speaker_and_never_the_code_itself() -> None:
    near = near_codes(torch.randn(CODEBOOK_SIZE, 24))
    assert near.shape == (CODEBOOK_SIZE, NEAR)
    assert not (near == np.arange(CODEBOOK_SIZE)[:, None]).any()
    for speaker in SPEAKERS:
        own = slice(speaker.first_code, speaker.first_code + speaker.codes)
        assert own.start <= near[own].min()
        assert near[own].max() < own.stop


def test_slips_are_few_near_and_never_to_be_said() -> None:
    random = np.random.default_rng(0)
    every = {one.name: [spoken(one.first_code, random)] for one in SPEAKERS}
    near = near_codes(torch.randn(CODEBOOK_SIZE, 24))
    ids, targets = WindowSource(every, LAYOUT, 5, near).batch(16)
    said, shown = targets[:, :-1], ids[:, 1:]
    both = (said != IGNORED) & (targets[:, 1:] != IGNORED)  # the last code is only to be said
    first = LAYOUT.semantic_vocab
    spectral = both & (said >= first) & (said < first + CODEBOOK_SIZE)
    slipped = spectral & (said != shown)
    assert 0.04 < slipped.sum() / spectral.sum() < 0.12
    stand_ins = near[said[slipped] - first] + first
    assert (stand_ins == shown[slipped].numpy()[:, None]).any(1).all()
    assert torch.equal(said[both & ~spectral], shown[both & ~spectral])
