"""When words are spoken, by the embedded voice over the whole chain: held against what its semantic
tokens say, which are thirds of phones.
"""

from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest

from barkserve.checkpoint.folder import bundled_checkpoint
from barkserve.v1 import common_pb2, speech_pb2
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


async def test_all_words_come_in_order_within_their_pieces(chain: Chain) -> None:
    responses = await speak(chain, TEXT)
    heard, finished = words(responses), responses[-1].finished
    assert [word.word for word in heard] == WORDS
    assert all(TEXT[w.text_span.start : w.text_span.end] == w.word for w in heard)
    times = [time for word in heard for time in (word.first_sample, word.end_sample)]
    assert times == sorted(times)
    assert all(word.first_sample < word.end_sample for word in heard)
    assert len(finished.segments) == 2
    for segment in finished.segments:
        inside = [
            w for w in heard if segment.text_span.start <= w.text_span.start < segment.text_span.end
        ]
        assert inside[0].first_sample >= segment.first_sample
        assert inside[-1].end_sample <= segment.first_sample + segment.sample_count


async def test_most_words_come_before_their_audio(chain: Chain) -> None:
    sent, late, all_ = 0, 0, 0
    for response in await speak(chain, TEXT):
        sent += response.audio.sample_count
        all_ += len(response.words.words)
        late += sum(word.first_sample < sent for word in response.words.words)
    assert all_ == len(WORDS)
    assert late <= 2  # each piece's last word may end with its piece


async def test_words_begin_where_their_phones_begin(chain: Chain) -> None:
    """A word of one piece begins at the first token of a phone, and pauses are no part of words."""
    text = "Please call me, when you get home from work."
    responses = await speak(chain, text)
    tokens = np.array(responses[-1].finished.voice.semantic_prompt)
    assert len(responses[-1].finished.segments) == 1
    heard = words(responses)
    phones = tokens // THIRDS
    changes = np.flatnonzero(np.diff(phones, prepend=-1)) * TOKEN
    off = [np.abs(changes - word.first_sample).min() / 24 for word in heard[1:]]
    assert np.median(off) <= 20  # ms
    pauses = np.flatnonzero(phones == PAUSE)
    inner = pauses[(pauses > 10) & (pauses < len(tokens) - 15)]
    assert len(inner) > 3  # the comma
    spoken = [any(w.first_sample <= p * TOKEN + 240 < w.end_sample for w in heard) for p in inner]
    assert np.mean(spoken) <= 0.4


async def test_times_are_samples_of_the_output(chain: Chain) -> None:
    own = words(await speak(chain, TEXT))
    phone = speech_pb2.AudioFormat(sample_rate_hertz=8000)
    for one, other in zip(own, words(await speak(chain, TEXT, audio_format=phone)), strict=True):
        assert other.word == one.word
        assert other.first_sample == one.first_sample // 3
        assert other.end_sample == one.end_sample // 3


async def test_speech_is_the_same_with_and_without(chain: Chain) -> None:
    with_words = await speak(chain, TEXT)
    without = await speak(chain, TEXT, word_times=False)
    assert words(without) == []
    assert with_words[-1].finished.voice == without[-1].finished.voice
    audio = [b"".join(r.audio.audio for r in each) for each in (with_words, without)]
    assert audio[0] == audio[1]


async def test_speech_that_is_cut_off_times_no_word_behind_its_end(chain: Chain) -> None:
    limited = speech_pb2.SemanticOptions(max_tokens=60)
    responses = await speak(chain, "We hope to see you again very soon", semantic=limited)
    finished, heard = responses[-1].finished, words(responses)
    assert finished.finish_reason == common_pb2.FINISH_REASON_LENGTH
    assert 2 < len(heard) < 8
    assert heard[-1].end_sample <= finished.sample_count
