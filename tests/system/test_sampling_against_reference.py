"""Sampled output equals BarkModel.generate for the same uniform numbers: every token.

The reference samples with torch.multinomial. The test replaces it by the inverse of the cumulative
distribution at our uniforms, in the order of the reference's calls.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from barkserve.constants import DrawStream
from barkserve.engine.draws import uniforms
from barkserve.v1 import common_pb2, speech_pb2
from fixtures.checkpoints import TINY, CheckpointSpec, random_voice
from tests.support.reference import Reference, generate
from tests.support.services import running_chain

SPEC = replace(TINY, vocab_gap=20)  # a different number of ids per model tells their draws apart
SEED = 2**40 + 5


class Multinomial:
    """Replaces torch.multinomial by the inverse CDF.

    Semantic and coarse draws are in order; fine draws are by frame and codebook.
    """

    def __init__(self, spec: CheckpointSpec, history_frames: int) -> None:
        self._spec = spec
        self._history = min(history_frames, spec.max_fine_history_length)
        self._drawn = {DrawStream.SEMANTIC: 0, DrawStream.COARSE: 0, DrawStream.FINE: 0}
        self.fine_frames = 0

    def __call__(self, probabilities: torch.Tensor, num_samples: int) -> torch.Tensor:
        assert num_samples == 1
        draws = torch.from_numpy(self._draws(probabilities))
        cumulated = probabilities.cumsum(dim=-1)
        return torch.searchsorted(cumulated, draws[:, None] * cumulated[:, -1:], right=True)

    def _draws(self, probabilities: torch.Tensor) -> np.ndarray:
        rows, width = probabilities.shape
        if width == self._spec.codebook_size:
            return self._fine_draws(rows)
        coarse = width == self._spec.coarse_vocab_size
        stream = DrawStream.COARSE if coarse else DrawStream.SEMANTIC
        self._drawn[stream] += 1
        return uniforms(SEED, stream, self._drawn[stream] - 1, 1)

    def _fine_draws(self, rows: int) -> np.ndarray:
        """Draw for one codebook, from 2 on; rows are the frames after the history of one window."""
        books = self._spec.n_fine_codebooks
        assert rows == self._spec.max_fine_input_length - self._history
        book = 2 + self._drawn[DrawStream.FINE] % (books - 2)
        self._drawn[DrawStream.FINE] += 1
        return uniforms(SEED, DrawStream.FINE, 0, rows * books).reshape(rows, books)[:, book]


def request(voice: dict[str, np.ndarray] | None) -> speech_pb2.SynthesizeRequest:
    message = speech_pb2.SynthesizeRequest(
        text="hello the world",
        seed=SEED,
        return_voice=True,
        delivery_mode=common_pb2.DELIVERY_MODE_EXACT,
        voice=speech_pb2.VoiceSelection(name="none"),
        semantic=speech_pb2.SemanticOptions(
            sampling=common_pb2.Sampling(temperature=0.9, top_k=30, top_p=0.9), min_eos_p=0.3
        ),
        coarse=speech_pb2.CoarseOptions(sampling=common_pb2.Sampling(temperature=1.3, top_k=0)),
        fine=speech_pb2.FineOptions(sampling=common_pb2.Sampling(temperature=0.6)),
    )
    if voice is not None:
        message.voice.history_prompt.semantic_prompt.extend(voice["semantic_prompt"])
        message.voice.history_prompt.coarse_prompt.extend(voice["coarse_prompt"].T.ravel())
        message.voice.history_prompt.fine_prompt.extend(voice["fine_prompt"].T.ravel())
    return message


def expected(
    folder: Path, voice: dict[str, np.ndarray] | None, monkeypatch: pytest.MonkeyPatch
) -> Reference:
    frames = 0 if voice is None else voice["fine_prompt"].shape[1]
    monkeypatch.setattr(torch, "multinomial", Multinomial(SPEC, frames))
    return generate(
        folder,
        SPEC,
        "hello the world",
        voice,
        do_sample=True,
        semantic_temperature=0.9,
        semantic_top_k=30,
        semantic_top_p=0.9,
        min_eos_p=0.3,
        coarse_temperature=1.3,
        coarse_top_k=0,
        fine_temperature=0.6,
    )


@pytest.mark.parametrize("voice_length", [None, 20])
async def test_sampled_tokens_equal_for_equal_uniforms(
    checkpoint_of: Callable[[CheckpointSpec], Path],
    monkeypatch: pytest.MonkeyPatch,
    voice_length: int | None,
) -> None:
    folder = checkpoint_of(SPEC)
    voice = None if voice_length is None else random_voice(SPEC, voice_length, seed=3)
    theirs = expected(folder, voice, monkeypatch)
    async with running_chain(folder) as chain:
        responses = [response async for response in chain.speech.Synthesize(request(voice))]
    ours = responses[-1].finished.voice
    np.testing.assert_array_equal(ours.semantic_prompt, theirs.semantic)
    coarse = np.array(ours.coarse_prompt).reshape(-1, 2)
    np.testing.assert_array_equal(coarse, theirs.coarse % SPEC.codebook_size)
    fine = np.array(ours.fine_prompt).reshape(-1, SPEC.n_fine_codebooks)
    np.testing.assert_array_equal(fine, theirs.fine)
    assert len(set(ours.semantic_prompt)) > 5  # the tokens were really sampled
