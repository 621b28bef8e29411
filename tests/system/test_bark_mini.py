"""The bundled model: small, complete, and equal to transformers' output."""

import json
from pathlib import Path

import numpy as np
import pytest
from transformers import AutoProcessor

from barkserve.checkpoint.folder import CheckpointFolder, bundled_checkpoint
from barkserve.checkpoint.voices import VoiceLibrary
from barkserve.v1 import common_pb2, speech_pb2
from fixtures.checkpoints import reference
from tests.support.services import running_chain

TEXT = "Please call me tomorrow."


@pytest.fixture(scope="module")
def folder() -> CheckpointFolder:
    return CheckpointFolder.open(bundled_checkpoint())


def test_bark_mini_is_small(folder: CheckpointFolder) -> None:
    size = sum(file.stat().st_size for file in folder.path.rglob("*") if file.is_file())
    assert size <= 30_000_000


def test_bark_mini_has_bark_layout(folder: CheckpointFolder) -> None:
    bark = folder.bark
    assert (bark.sample_rate, bark.coarse_generation.coarse_rate_hz) == (24_000, 75)
    assert (bark.fine_generation.n_fine_codebooks, bark.codec.hop_length) == (8, 320)


def test_bark_mini_voices_are_english(folder: CheckpointFolder) -> None:
    assert VoiceLibrary(folder).languages() == ("en",)


async def test_bark_mini_greedy_equals_transformers(folder: CheckpointFolder) -> None:
    model = reference(folder.path)
    window = folder.bark.semantic_generation.max_input_semantic_length
    inputs = AutoProcessor.from_pretrained(folder.path)(TEXT, max_length=window)
    expected = model.generate(**inputs, do_sample=False, fine_temperature=None).numpy().ravel()
    request = speech_pb2.SynthesizeRequest(
        text=TEXT,
        greedy=True,
        delivery_mode=common_pb2.DELIVERY_MODE_EXACT,
        audio_format=speech_pb2.AudioFormat(encoding=speech_pb2.AUDIO_ENCODING_FLOAT32),
        voice=speech_pb2.VoiceSelection(name="none"),
    )
    async with running_chain(folder.path) as chain:
        responses = [response async for response in chain.speech.Synthesize(request)]
    audio = b"".join(response.audio.audio for response in responses)
    np.testing.assert_allclose(np.frombuffer(audio, dtype="<f4"), expected, atol=1e-5)


async def test_bark_mini_speaks_with_every_voice(folder: CheckpointFolder) -> None:
    paths = json.loads((Path(folder.path) / "speaker_embeddings_path.json").read_text())
    names = sorted(set(paths) - {"repo_or_path"})
    async with running_chain(folder.path) as chain:
        listed = await chain.speech.ListVoices(speech_pb2.ListVoicesRequest())
        assert [voice.name for voice in listed.voices] == names
        for name in names:
            voice = speech_pb2.VoiceSelection(name=name)
            request = speech_pb2.SynthesizeRequest(text=TEXT, voice=voice, seed=1)
            responses = [response async for response in chain.speech.Synthesize(request)]
            assert responses[-1].finished.finish_reason == common_pb2.FINISH_REASON_STOP
            assert responses[-1].finished.sample_count > 10_000
