"""The windows that the coarse model is trained on."""

import numpy as np
import torch

from training.config import CODEBOOK_SIZE, PHONES, SEMANTIC_VOCAB, SPEAKERS, CoarseLayout
from training.data.codes import Spectrum
from training.data.corpus import Spoken
from training.train.coarse import IGNORED, NEAR, SLIPS, WindowSource, near_codes

LAYOUT = CoarseLayout()


def spoken(first_code: int, random: np.random.Generator) -> Spoken:
    codes = random.integers(0, 192, (300, 2))
    codes[:, 0] += first_code
    return Spoken("", random.integers(0, SEMANTIC_VOCAB, 200), codes)


def spectrum() -> Spectrum:
    """Return random vectors; each phone has a tenth of a speaker's codes, or none."""
    owners = torch.zeros(CODEBOOK_SIZE, dtype=torch.long)
    for index, speaker in enumerate(SPEAKERS):
        own = slice(speaker.first_code, speaker.first_code + speaker.codes)
        owners[own] = (torch.arange(speaker.codes) % 10) + 10 * index
    assert owners.max() < len(PHONES)
    return Spectrum(
        torch.randn(CODEBOOK_SIZE, 32), owners, torch.zeros(CODEBOOK_SIZE, CODEBOOK_SIZE)
    )


def test_near_codes_are_other_codes_of_the_same_phone() -> None:
    codebook = spectrum()
    near = near_codes(codebook)
    assert near.shape == (CODEBOOK_SIZE, NEAR)
    assert not (near == np.arange(CODEBOOK_SIZE)[:, None]).any()
    assert (codebook.phones[near] == codebook.phones[:, None]).all()


def test_slips_are_few_near_and_never_targets() -> None:
    random = np.random.default_rng(0)
    every = {one.name: [spoken(one.first_code, random)] for one in SPEAKERS}
    near = near_codes(spectrum())
    ids, targets = WindowSource(every, LAYOUT, 5, near).batch(16)
    wanted, shown = targets[:, :-1], ids[:, 1:]
    both = (wanted != IGNORED) & (targets[:, 1:] != IGNORED)  # the last code is only a target
    first = LAYOUT.semantic_vocab
    spectral = both & (wanted >= first) & (wanted < first + CODEBOOK_SIZE)
    slipped = spectral & (wanted != shown)
    assert 0.5 * SLIPS < slipped.sum() / spectral.sum() < 1.5 * SLIPS
    replacements = near[wanted[slipped] - first] + first
    assert (replacements == shown[slipped].numpy()[:, None]).any(1).all()
    assert torch.equal(wanted[both & ~spectral], shown[both & ~spectral])
