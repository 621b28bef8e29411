"""What a listener hears of pauses, pace and pitch, with the bundled checkpoint."""

from collections.abc import AsyncIterator

import numpy as np
import pytest
from numpy.typing import NDArray
from pocketsphinx import Decoder

from barkclient import AsyncClient
from barkserve.checkpoint.folder import bundled_checkpoint
from tests.orchestrator.audio.signals import pitch_change
from tests.support.services import running_chain

RATE = 24_000
HEARING_RATE = 16_000  # of the recognizer
Samples = NDArray[np.float32]


@pytest.fixture
async def client() -> AsyncIterator[AsyncClient]:
    async with running_chain(bundled_checkpoint()) as chain, AsyncClient(chain.address) as client:
        yield client


async def speak(client: AsyncClient, text: str, rate: float = 1.0) -> Samples:
    """Return (n,) samples of float32 audio."""
    speech = client.synthesize(text, seed=1, encoding="float32", speaking_rate=rate)
    return np.frombuffer((await speech.read()).audio, "<f4")


def silences(audio: Samples) -> list[tuple[int, int]]:
    """The first sample and the one after the last, of all digital silence of 0.1 s or more."""
    silent = np.concatenate(([False], audio == 0, [False])).astype(int)
    starts, ends = np.flatnonzero(np.diff(silent) == 1), np.flatnonzero(np.diff(silent) == -1)
    pairs = zip(starts.tolist(), ends.tolist(), strict=True)
    return [(start, end) for start, end in pairs if end - start >= RATE // 10]


def heard(audio: Samples) -> set[str]:
    """The words that a speech recognizer hears."""
    padded = np.pad(audio.astype(np.float64), RATE // 5)
    spectrum = np.fft.rfft(padded)
    length = len(padded) * HEARING_RATE // RATE
    low = np.fft.irfft(spectrum[: length // 2 + 1], length) * length / len(padded)
    decoder = Decoder(loglevel="FATAL")
    decoder.start_utt()
    decoder.process_raw((low.clip(-1, 1) * 32767).astype(np.int16).tobytes(), full_utt=True)
    decoder.end_utt()
    return set(decoder.hyp().hypstr.split()) if decoder.hyp() else set()


def words(text: str) -> set[str]:
    return set(text.lower().strip(".").split())


FORMS = {
    "<speak>{}<break time='700ms'/>{}</speak>": 0.7,  # SSML
    "{} [pause:1s] {}": 1.0,  # Riva, language models
    '{} <break time="1.5s" /> {}': 1.5,  # ElevenLabs
    "- {}\n- {}": 0.3,  # a list
}
BEFORE, AFTER = "Please call me in the morning.", "We will talk about the weather."


async def test_pauses_are_as_long_as_asked_between_words(client: AsyncClient) -> None:
    for form, seconds in FORMS.items():
        audio = await speak(client, form.format(BEFORE, AFTER))
        ((start, end),) = silences(audio)
        assert (end - start) / RATE == pytest.approx(seconds, abs=0.02), form
        assert len(heard(audio[:start]) & words(BEFORE)) >= 3, form
        assert len(heard(audio[end:]) & words(AFTER)) >= 3, form


async def test_speaking_rate_keeps_pitch_and_words(client: AsyncClient) -> None:
    plain = await speak(client, BEFORE)
    for rate in (0.8, 1.5):
        changed = await speak(client, BEFORE, rate)
        assert len(plain) / len(changed) == pytest.approx(rate, rel=0.03)
        assert pitch_change(plain, changed, RATE, rate) == pytest.approx(1, abs=0.02)
        assert len(heard(changed) & words(BEFORE)) >= 3
