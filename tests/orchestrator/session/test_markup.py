"""Pauses, marks, pace, loudness and voices that the text asks for, in the audio."""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_asyncio
from numpy.typing import NDArray

from barkserve.v1 import speech_pb2
from fixtures.checkpoints import TINY, CheckpointSpec, never_ending
from tests.support.dialog import FLOATS
from tests.support.services import Chain, running_chain

pytestmark = pytest.mark.asyncio(loop_scope="module")

RATE = 24_000
SPEC = replace(never_ending(TINY), max_new_tokens=40)
Responses = list[speech_pb2.SynthesizeResponse]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def chain(checkpoint_of: Callable[[CheckpointSpec], Path]) -> AsyncIterator[Chain]:
    async with running_chain(checkpoint_of(SPEC)) as started:
        yield started


async def speak(chain: Chain, text: str, **options: Any) -> Responses:
    request = speech_pb2.SynthesizeRequest(
        **{"text": text, "seed": 3, "audio_format": FLOATS, **options}
    )
    return [response async for response in chain.speech.Synthesize(request)]


def samples(responses: Responses) -> NDArray[np.float32]:
    audio = b"".join(response.audio.audio for response in responses)
    return np.frombuffer(audio, dtype="<f4")


def segments(responses: Responses) -> list[tuple[int, int]]:
    """First sample and the sample after the last one, of each segment."""
    reports = responses[-1].finished.segments
    return [(each.first_sample, each.first_sample + each.sample_count) for each in reports]


async def test_pause_is_exact_silence_between_segments(chain: Chain) -> None:
    with_pause = await speak(chain, "<speak>hello. <break time='1500ms'/>the fox.</speak>")
    without = await speak(chain, "<speak>hello. <s>the fox.</s></speak>")
    audio, (first, second) = samples(with_pause), segments(with_pause)
    assert second[0] - first[1] == 36_000
    assert not audio[first[1] : second[0]].any()
    spoken = np.concatenate((audio[: first[1]], audio[second[0] :]))
    assert np.array_equal(spoken, samples(without))
    assert len(audio) == with_pause[-1].finished.sample_count


async def test_pause_is_as_long_at_any_rate(chain: Chain) -> None:
    text = "<speak>hello. <break time='1s'/>the fox.</speak>"
    output = speech_pb2.AudioFormat(
        encoding=speech_pb2.AUDIO_ENCODING_FLOAT32, sample_rate_hertz=16_000
    )
    responses = await speak(chain, text, speaking_rate=2.0, audio_format=output)
    audio, (first, second) = samples(responses), segments(responses)
    assert second[0] - first[1] == 16_000
    ringing = 400  # of the filter that changes the sample rate
    assert np.abs(audio[first[1] + ringing : second[0] - ringing]).max() < 1e-4
    assert np.abs(audio[second[0] : second[1]]).max() > 1e-2


async def test_text_of_pauses_only_is_silence(chain: Chain) -> None:
    responses = await speak(chain, "<speak><break time='2s'/></speak>", keep_voice=False)
    assert len(samples(responses)) == 2 * RATE
    assert not samples(responses).any()


async def test_prosody_changes_pace_and_loudness(chain: Chain) -> None:
    plain = await speak(chain, "<speak>hello. <s>the fox.</s></speak>")
    text = "<speak>hello. <prosody rate='50%' volume='-20dB'>the fox.</prosody></speak>"
    changed = await speak(chain, text)
    (_, before), (_, after) = segments(plain), segments(changed)
    assert abs((after[1] - after[0]) / (before[1] - before[0]) - 2) < 0.1
    loudness = [
        np.sqrt(np.mean(samples(each)[start:end] ** 2))
        for each, (start, end) in ((plain, before), (changed, after))
    ]
    assert abs(loudness[1] / loudness[0] - 0.1) < 0.02
    assert np.array_equal(samples(plain)[: before[0]], samples(changed)[: after[0]])


async def test_marks_are_reported_where_the_text_continues(chain: Chain) -> None:
    text = (
        "<speak><mark name='start'/>hello. <break time='1s'/><mark name='two'/>the fox"
        "<mark name='in'/> laughs.<break time='1s'/><mark name='end'/></speak>"
    )
    responses = await speak(chain, text, word_times=True)
    marks = [mark for response in responses for mark in response.words.marks]
    words = {word.word: word for response in responses for word in response.words.words}
    assert [mark.name for mark in marks] == ["start", "two", "in", "end"]
    assert [text[mark.position :].startswith("<mark") for mark in marks] == [True] * 4
    first, second, _ = segments(responses)  # "the fox" and "laughs." do not fit into one
    assert [marks[0].sample, marks[1].sample] == [0, second[0]]
    assert first[1] + RATE == second[0]
    assert words["fox"].end_sample <= marks[2].sample <= words["laughs"].first_sample
    assert marks[3].sample == responses[-1].finished.sample_count
    assert text[words["laughs"].text_span.start : words["laughs"].text_span.end] == "laughs"


async def test_marks_need_word_times(chain: Chain) -> None:
    responses = await speak(chain, "<speak>hello <mark name='x'/>fox</speak>")
    assert not any(response.HasField("words") for response in responses)


async def test_unknown_voices_and_elements_are_warned_about(chain: Chain) -> None:
    text = "<speak>hello <voice name='stranger'>the <b>fox</b></voice></speak>"
    warnings = (await speak(chain, text))[-1].finished.warnings
    ignored = [each for each in warnings if each.code == speech_pb2.WARNING_CODE_MARKUP_IGNORED]
    assert {each.message.split(",")[0] for each in ignored} == {
        "<b> has no effect: only its text is spoken", "the text names voice stranger",
    }  # fmt: skip


async def test_resumed_ssml_continues_at_the_next_byte(chain: Chain) -> None:
    text = (
        "<speak><mark name='a'/>hello <sub alias='the the fox'>F</sub>. <break time='700ms'/>"
        "<prosody rate='fast'>the fox <mark name='b'/>laughs.</prosody> so do I.</speak>"
    )
    output = speech_pb2.AudioFormat(encoding=speech_pb2.AUDIO_ENCODING_PCM16)
    options = {"audio_format": output, "word_times": True}
    whole = await speak(chain, text, **options)
    audio = b"".join(each.audio.audio for each in whole)
    ends = [index + 1 for index, each in enumerate(whole) if each.HasField("audio")]
    for end in (ends[0], ends[len(ends) // 2], ends[-1]):
        received = whole[:end]
        resume = speech_pb2.Resume(
            started=received[0].started,
            segments=[each for chunk in received for each in chunk.audio.segments],
            sample_count=sum(each.audio.sample_count for each in received),
            byte_count=sum(len(each.audio.audio) for each in received),
            word_count=sum(len(each.words.words) for each in received),
            mark_count=sum(len(each.words.marks) for each in received),
        )
        rest = await speak(chain, text, resume=resume, **options)
        both = [*received, *rest]
        assert b"".join(each.audio.audio for each in both) == audio
        assert [m for each in both for m in each.words.marks] == [
            m for each in whole for m in each.words.marks
        ]
        assert [w for each in both for w in each.words.words] == [
            w for each in whole for w in each.words.words
        ]
