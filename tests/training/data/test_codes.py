"""Codebook 0: codes of a speaker and phone."""

import torch

from training.config import PHONES, SPEAKERS, CodecSize
from training.data.codes import (
    SURPRISE_WEIGHT,
    Frames,
    Spectrum,
    divided,
    learn_codes,
    surprises,
)

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
    spectrum = Spectrum.empty()
    learned = learn_codes([frames(0)], SPEAKER, 0)
    for old, new in zip(vars(spectrum.part(SPEAKER)).values(), vars(learned).values(), strict=True):
        old.copy_(new)
    return spectrum


def test_divided_gives_more_codes_to_larger_distortions() -> None:
    counts = divided(torch.tensor([0.0, 1.0, 16.0, 1.0]), 24)
    assert counts[0] == 0
    assert sum(counts) == 24
    assert counts[2] > 2 * counts[1] > 0


def test_every_phone_with_frames_gets_codes_of_the_speaker() -> None:
    book = learn_codes([frames(0)], SPEAKER, 0)
    assert book.vectors.shape == (SPEAKER.codes, CodecSize().cepstrum)
    phones = book.phones
    assert sorted(set(phones.tolist())) == sorted(SOUNDS)
    assert phones.tolist().count(SOUNDS[0]) > phones.tolist().count(SOUNDS[1])


def test_codes_are_of_the_speaker_and_phone() -> None:
    spectrum, unseen = codebook(), frames(1)
    codes = spectrum.codes(unseen, SPEAKER)[:, 0]
    assert SPEAKER.first_code <= codes.min()
    assert codes.max() < SPEAKER.first_code + SPEAKER.codes
    assert torch.equal(spectrum.phones[codes], unseen.phones)


def test_without_surprises_codes_are_the_nearest() -> None:
    book, unseen = codebook().part(SPEAKER), frames(1)
    distances = torch.cdist(unseen.cepstra, book.vectors)
    distances[unseen.phones[:, None] != book.phones] = float("inf")
    flat = Spectrum(book.vectors, book.phones, torch.zeros_like(book.surprises))
    assert torch.equal(flat.encode(unseen), distances.argmin(1))


def test_codes_have_the_least_cost_of_all_paths() -> None:
    book, few = codebook().part(SPEAKER), frames(2, count=3)
    distances = torch.cdist(few.cepstra, book.vectors).square()
    distances[few.phones[:, None] != book.phones] = float("inf")
    extra = SURPRISE_WEIGHT * book.surprises
    costs = distances[0][:, None, None] + (extra + distances[1])[:, :, None] + extra + distances[2]
    best = int(costs.argmin())
    expected = [best // SPEAKER.codes**2, best // SPEAKER.codes % SPEAKER.codes]
    assert book.encode(few).tolist() == [*expected, best % SPEAKER.codes]


def test_surprises_are_log_probabilities() -> None:
    codes = [torch.tensor([0, 1, 0, 1, 0, 1, 0, 2])]
    table = surprises(codes, 3)
    assert torch.allclose((-table).exp().sum(1), torch.ones(3))
    assert table[0, 1] < table[0, 2] < table[0, 0]
