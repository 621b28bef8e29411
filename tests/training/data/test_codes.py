"""Codebook 0: codes of a speaker and phone."""

import torch

from training.config import PHONES, SPEAKERS, CodecSize
from training.data.codes import Frames, Spectrum, divided, learn_codes

SPEAKER = SPEAKERS[1]
SOUNDS = [PHONES.index(name) for name in ("s", "i", "m")]


def frames(seed: int, count: int = 900) -> Frames:
    """Return random cepstra around a mean per phone; the first phone varies most."""
    generator = torch.Generator().manual_seed(seed)
    which = torch.randint(3, (count,), generator=generator)
    size = CodecSize().cepstrum
    spread = torch.tensor([3.0, 1.0, 1.0])[which][:, None]
    cepstra = which[:, None] * 2.0 + spread * torch.randn(count, size, generator=generator)
    return Frames(cepstra, torch.zeros(count).long(), torch.tensor(SOUNDS)[which])


def codebook() -> Spectrum:
    own = slice(SPEAKER.first_code, SPEAKER.first_code + SPEAKER.codes)
    spectrum = Spectrum(torch.zeros(1024, CodecSize().cepstrum), torch.zeros(1024).long())
    spectrum.vectors[own], spectrum.phones[own] = learn_codes([frames(0)], SPEAKER, 0)
    return spectrum


def test_divided_gives_more_codes_to_larger_distortions() -> None:
    counts = divided(torch.tensor([0.0, 1.0, 16.0, 1.0]), 24)
    assert counts[0] == 0
    assert sum(counts) == 24
    assert counts[2] > 2 * counts[1] > 0


def test_every_phone_with_frames_gets_codes_of_the_speaker() -> None:
    vectors, phones = learn_codes([frames(0)], SPEAKER, 0)
    assert vectors.shape == (SPEAKER.codes, CodecSize().cepstrum)
    assert sorted(set(phones.tolist())) == sorted(SOUNDS)
    assert phones.tolist().count(SOUNDS[0]) > phones.tolist().count(SOUNDS[1])


def test_codes_are_the_nearest_of_the_speaker_and_phone() -> None:
    spectrum, unseen = codebook(), frames(1)
    codes = spectrum.codes(unseen, SPEAKER)[:, 0]
    assert SPEAKER.first_code <= codes.min()
    assert codes.max() < SPEAKER.first_code + SPEAKER.codes
    assert torch.equal(spectrum.phones[codes], unseen.phones)
    distances = torch.cdist(unseen.cepstra, spectrum.vectors)
    distances[unseen.phones[:, None] != spectrum.phones] = float("inf")
    assert torch.equal(distances.argmin(1), codes)
