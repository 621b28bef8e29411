"""The voice that continues a session: the last segments, at least 750 frames of them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from barkserve.checkpoint.folder import CheckpointFolder
from barkserve.orchestrator.session.continuing_voice import VOICE_FRAMES, ContinuingVoice
from barkserve.orchestrator.synthesis.utterance import Spoken
from fixtures.checkpoints import TINY, CheckpointSpec

BOOKS = TINY.n_fine_codebooks


@pytest.fixture
def voice(checkpoint_of: Callable[[CheckpointSpec], Path]) -> ContinuingVoice:
    return ContinuingVoice(CheckpointFolder.open(checkpoint_of(TINY)).bark)


def segment(number: int, frames: int) -> Spoken:
    return Spoken(
        semantic=[number] * 3,
        coarse=[TINY.codebook_size * book + number for book in (0, 1)] * frames,
        fine=[number] * BOOKS * frames,
    )


def test_continuing_voice_joins_all_short_segments(voice: ContinuingVoice) -> None:
    voice.add(segment(1, 100))
    voice.add(segment(2, 200))
    prompt = voice.history_prompt()
    assert list(prompt.semantic_prompt) == [1] * 3 + [2] * 3
    assert list(prompt.coarse_prompt) == [1, 1] * 100 + [2, 2] * 200
    assert list(prompt.fine_prompt) == [1] * BOOKS * 100 + [2] * BOOKS * 200


@pytest.mark.parametrize(("last", "kept"), [(VOICE_FRAMES - 1, [1, 2]), (VOICE_FRAMES, [2])])
def test_continuing_voice_drops_old_segments(
    voice: ContinuingVoice, last: int, kept: list[int]
) -> None:
    voice.add(segment(1, 2000))
    voice.add(segment(2, last))
    assert sorted(set(voice.history_prompt().semantic_prompt)) == kept


def test_continuing_voice_keeps_a_long_last_segment(voice: ContinuingVoice) -> None:
    voice.add(segment(1, 2000))
    assert len(voice.history_prompt().fine_prompt) == BOOKS * 2000
