"""Greedy float32 output over gRPC equals BarkModel.generate: every token and sample."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from barkserve.v1 import common_pb2, speech_pb2
from fixtures.checkpoints import (
    ODD,
    SUNO_SHAPED,
    TINY,
    CheckpointSpec,
    never_ending,
    random_voice,
)
from tests.support.reference import Reference, generate
from tests.support.services import running_chain
from tests.support.suno_voices import suno_voices

BARK_SMALL_LAYERS = replace(TINY, layers=2, heads=12, hidden=768, bias=False, eos_after=60)
ENDS_EARLY = replace(TINY, eos_after=4, eos_spread=2)

CASES = [
    pytest.param(TINY, None, "hello world", id="tiny"),
    pytest.param(TINY, 10, "the quick brown fox", id="tiny, voice shorter than the windows"),
    pytest.param(TINY, 200, "speak [laugh] hello ♪", id="tiny, voice longer than the windows"),
    pytest.param(never_ending(TINY), None, "hello", id="never ending, several fine loops"),
    pytest.param(never_ending(TINY), 200, "the fox", id="never ending, with a voice"),
    pytest.param(ENDS_EARLY, 30, "hello", id="ends early"),
    pytest.param(ODD, None, "hello the world", id="odd"),
    pytest.param(ODD, 9, "hello", id="odd, short voice"),
    pytest.param(never_ending(ODD), 150, "the fox", id="odd, never ending, long voice"),
    pytest.param(BARK_SMALL_LAYERS, 50, "hello world", id="bark-small's layers"),
    pytest.param(SUNO_SHAPED, None, "hello world", id="Suno's windows and vocabularies"),
]


async def speak(
    folder: Path, text: str, voice: dict[str, np.ndarray] | None, attention: str = "sdpa"
) -> tuple[Reference, speech_pb2.SynthesisFinished]:
    """Speak one greedy EXACT utterance; returns it in the form of the reference."""
    request = speech_pb2.SynthesizeRequest(
        text=text,
        greedy=True,
        return_voice=True,
        delivery_mode=common_pb2.DELIVERY_MODE_EXACT,
        audio_format=speech_pb2.AudioFormat(encoding=speech_pb2.AUDIO_ENCODING_FLOAT32),
        voice=speech_pb2.VoiceSelection(name="none"),
    )
    if voice is not None:
        request.voice.history_prompt.CopyFrom(
            common_pb2.HistoryPrompt(
                semantic_prompt=voice["semantic_prompt"],
                coarse_prompt=voice["coarse_prompt"].T.ravel(),
                fine_prompt=voice["fine_prompt"].T.ravel(),
            )
        )
    async with running_chain(folder, attention=attention) as chain:
        responses = [response async for response in chain.speech.Synthesize(request)]
    finished = responses[-1].finished
    audio = b"".join(response.audio.audio for response in responses[1:-1])
    books = len(finished.voice.fine_prompt) * 2 // len(finished.voice.coarse_prompt)
    spoken = Reference(
        semantic=np.array(finished.voice.semantic_prompt),
        coarse=np.array(finished.voice.coarse_prompt).reshape(-1, 2),
        fine=np.array(finished.voice.fine_prompt).reshape(-1, books),
        samples=np.frombuffer(audio, dtype="<f4"),
    )
    return spoken, finished


def assert_equal(spoken: Reference, expected: Reference, codebook_size: int) -> None:
    np.testing.assert_array_equal(spoken.semantic, expected.semantic)
    np.testing.assert_array_equal(spoken.coarse, expected.coarse % codebook_size)
    np.testing.assert_array_equal(spoken.fine, expected.fine)
    np.testing.assert_allclose(spoken.samples, expected.samples, atol=2e-6)


@pytest.mark.parametrize(("spec", "voice_length", "text"), CASES)
async def test_greedy_audio_equals_transformers(
    checkpoint_of: Callable[[CheckpointSpec], Path],
    spec: CheckpointSpec,
    voice_length: int | None,
    text: str,
) -> None:
    folder = checkpoint_of(spec)
    voice = None if voice_length is None else random_voice(spec, voice_length, seed=7)
    expected = generate(folder, spec, text, voice)
    spoken, finished = await speak(folder, text, voice)
    assert_equal(spoken, expected, spec.codebook_size)
    ended = len(expected.semantic) < spec.max_new_tokens
    assert (finished.finish_reason == common_pb2.FINISH_REASON_STOP) == ended
    assert finished.sample_count == len(expected.samples) > 0


async def test_eager_attention_equals_transformers(
    checkpoint_of: Callable[[CheckpointSpec], Path],
) -> None:
    folder = checkpoint_of(TINY)
    expected = generate(folder, TINY, "hello the world", None)
    spoken, _ = await speak(folder, "hello the world", None, attention="eager")
    assert_equal(spoken, expected, TINY.codebook_size)


@pytest.mark.parametrize("name", ["en_speaker_6", "announcer", "zh_speaker_3"])
async def test_suno_voices_equal_transformers(
    checkpoint_of: Callable[[CheckpointSpec], Path], name: str
) -> None:
    spec = replace(SUNO_SHAPED, eos_after=70)
    voice = dict(np.load(suno_voices() / f"{name}.npz", allow_pickle=False))
    voice = {key: value.astype(np.int64) for key, value in voice.items()}
    folder = checkpoint_of(spec)
    expected = generate(folder, spec, "hello world", voice)
    spoken, _ = await speak(folder, "hello world", voice)
    assert_equal(spoken, expected, spec.codebook_size)
