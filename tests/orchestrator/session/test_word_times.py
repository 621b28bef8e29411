"""Word times of the bundled model, compared with its semantic tokens (thirds of phones)."""

from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest

from barkserve.checkpoint.folder import bundled_checkpoint
from barkserve.orchestrator.audio.time_stretcher import TimeStretcher
from barkserve.v1 import common_pb2, speech_pb2
from tests.orchestrator.audio.signals import pitch_change
from tests.support.dialog import FLOATS, audio_of
from tests.support.services import Chain, running_chain

PAUSE = 0  # the phone of silence
THIRDS = 3
TOKEN = 24_000 / 49.9  # samples
TEXT = "We hope to see you 2 again, very soon. Good night!"
WORDS = ["We", "hope", "to", "see", "you", "2", "again", "very", "soon", "Good", "night"]


@pytest.fixture
async def chain() -> AsyncIterator[Chain]:
    async with running_chain(bundled_checkpoint()) as chain:
        yield chain


async def speak(chain: Chain, text: str, **options: Any) -> list[speech_pb2.SynthesizeResponse]:
    request = speech_pb2.SynthesizeRequest(
        **{"text": text, "seed": 1, "word_times": True, "return_voice": True, **options}
    )
    return [response async for response in chain.speech.Synthesize(request)]


def words(responses: list[speech_pb2.SynthesizeResponse]) -> list[speech_pb2.WordTime]:
    return [word for response in responses for word in response.words.words]


async def test_word_times_are_in_order_within_segments(chain: Chain) -> None:
    responses = await speak(chain, TEXT)
    found, finished = words(responses), responses[-1].finished
    assert [word.word for word in found] == WORDS
    assert all(TEXT[w.text_span.start : w.text_span.end] == w.word for w in found)
    times = [time for word in found for time in (word.first_sample, word.end_sample)]
    assert times == sorted(times)
    assert all(word.first_sample < word.end_sample for word in found)
    assert len(finished.segments) == 2
    for segment in finished.segments:
        inside = [
            w for w in found if segment.text_span.start <= w.text_span.start < segment.text_span.end
        ]
        assert inside[0].first_sample >= segment.first_sample
        assert inside[-1].end_sample <= segment.first_sample + segment.sample_count


async def test_word_times_are_sent_before_their_audio(chain: Chain) -> None:
    sent, late, all_ = 0, 0, 0
    for response in await speak(chain, TEXT):
        sent += response.audio.sample_count
        all_ += len(response.words.words)
        late += sum(word.first_sample < sent for word in response.words.words)
    assert all_ == len(WORDS)
    assert late <= 2  # the final word of a segment may end with it


async def test_word_times_start_at_phone_boundaries(chain: Chain) -> None:
    """A word starts at the first token of a phone, and no pause is part of a word."""
    text = "Please call me, when you get home from work."
    responses = await speak(chain, text)
    tokens = np.array(responses[-1].finished.voice.semantic_prompt)
    assert len(responses[-1].finished.segments) == 1
    found = words(responses)
    phones = tokens // THIRDS
    changes = np.flatnonzero(np.diff(phones, prepend=-1)) * TOKEN
    off = [np.abs(changes - word.first_sample).min() / 24 for word in found[1:]]
    assert np.median(off) <= 20  # ms
    pauses = np.flatnonzero(phones == PAUSE)
    inner = pauses[(pauses > 10) & (pauses < len(tokens) - 15)]
    assert len(inner) > 3  # the comma
    spoken = [any(w.first_sample <= p * TOKEN + 240 < w.end_sample for w in found) for p in inner]
    assert np.mean(spoken) <= 0.4


async def test_word_times_count_output_samples(chain: Chain) -> None:
    own = words(await speak(chain, TEXT))
    phone = speech_pb2.AudioFormat(sample_rate_hertz=8000)
    for one, other in zip(own, words(await speak(chain, TEXT, audio_format=phone)), strict=True):
        assert other.word == one.word
        assert other.first_sample == one.first_sample // 3
        assert other.end_sample == one.end_sample // 3


async def test_word_times_do_not_change_the_audio(chain: Chain) -> None:
    with_words = await speak(chain, TEXT)
    without = await speak(chain, TEXT, word_times=False)
    assert words(without) == []
    assert with_words[-1].finished.voice == without[-1].finished.voice
    audio = [b"".join(r.audio.audio for r in each) for each in (with_words, without)]
    assert audio[0] == audio[1]


async def test_word_times_stay_within_truncated_audio(chain: Chain) -> None:
    limited = speech_pb2.SemanticOptions(max_tokens=60)
    responses = await speak(chain, "We hope to see you again very soon", semantic=limited)
    finished, found = responses[-1].finished, words(responses)
    assert finished.finish_reason == common_pb2.FINISH_REASON_LENGTH
    assert 2 < len(found) < 8
    assert found[-1].end_sample <= finished.sample_count


async def test_speaking_rate_changes_speed_only(chain: Chain) -> None:
    """The tokens stay the same; the samples, the words and the segments are stretched."""
    options: dict[str, Any] = {"text": "Good evening! See you soon.", "audio_format": FLOATS}
    own, fast = [await speak(chain, speaking_rate=rate, **options) for rate in (0, 1.25)]
    assert fast[0].started.speaking_rate == 1.25
    assert own[0].started.speaking_rate == 1
    assert fast[-1].finished.voice == own[-1].finished.voice
    samples = np.frombuffer(audio_of(own), "<f4")
    segments = own[-1].finished.segments
    parts = np.split(samples, [segment.first_sample for segment in segments[1:]])
    for rate in (0.5, 0.8, 1.25, 2.0):
        stretcher = TimeStretcher(24_000, rate)
        expected = [np.append(stretcher.push(part), stretcher.flush()) for part in parts]
        joined = np.concatenate(expected)
        assert len(samples) / len(joined) == pytest.approx(rate, rel=0.03)
        changes = [pitch_change(*pair, 24_000, rate) for pair in zip(parts, expected, strict=True)]
        assert changes == pytest.approx([1, 1], abs=0.02)
        if rate == 1.25:
            assert joined.tobytes() == audio_of(fast)
            lengths = [segment.sample_count for segment in fast[-1].finished.segments]
            assert lengths == [len(each) for each in expected]
    for one, other in zip(words(own), words(fast), strict=True):
        (before, after) = (
            next(
                each
                for each in found[-1].finished.segments
                if each.text_span.end > one.text_span.start
            )
            for found in (own, fast)
        )
        start = after.first_sample + (one.first_sample - before.first_sample) / 1.25
        assert other.word == one.word
        assert other.first_sample == pytest.approx(start, abs=2)
        assert other.end_sample <= after.first_sample + after.sample_count
