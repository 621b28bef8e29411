"""Audio is sent before the utterance is complete, shown by the order of events, not by a clock."""

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from barkserve.engine.batch import Batch
from barkserve.engine.burst_length import MAX_STEPS
from barkserve.engine.model_runner import Flight, ModelRunner
from barkserve.v1 import speech_pb2
from fixtures.checkpoints import TINY, CheckpointSpec, never_ending
from tests.support.services import running_chain

SPEC = replace(never_ending(TINY), max_new_tokens=90)
HOLD_AT = 60  # semantic tokens


class Gate:
    """Blocks the semantic model before one of its tokens until it is opened."""

    def __init__(self, token: int) -> None:
        self._token = token
        self._opened = threading.Event()
        self.reached = threading.Event()

    def open(self) -> None:
        self._opened.set()

    def wait(self, batch: Batch) -> None:
        if any(len(sequence.tokens) >= self._token for sequence in batch.requests):
            self.reached.set()
            assert self._opened.wait(30), "the first chunk needs later tokens"


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    gate = Gate(HOLD_AT)
    launch = ModelRunner.launch

    def gated(self: ModelRunner, batch: Batch, proceed: Callable[[], bool]) -> Flight:
        if batch.requests[0].stop_token is not None:  # only the semantic model has one
            gate.wait(batch)
        return launch(self, batch, proceed)

    monkeypatch.setattr(ModelRunner, "launch", gated)
    return gate


@pytest.mark.parametrize("voice", ["none", "v2/test_speaker_1"])
async def test_audio_is_sent_before_the_last_semantic_token(
    checkpoint_of: Callable[[CheckpointSpec], Path], gate: Gate, voice: str
) -> None:
    request = speech_pb2.SynthesizeRequest(
        text="hello", seed=1, voice=speech_pb2.VoiceSelection(name=voice)
    )
    async with running_chain(checkpoint_of(SPEC)) as chain:
        responses = aiter(chain.speech.Synthesize(request))
        assert (await anext(responses)).WhichOneof("response") == "started"
        first = await anext(responses)  # while the gate is closed
        assert len(first.audio.audio) > 0
        semantic = chain.services["semantic"].metric("barkserve_outputs_total", stage="semantic")
        assert semantic < HOLD_AT + MAX_STEPS
        gate.open()
        rest = [response async for response in responses]
    assert rest[-1].finished.stages[0].output_count == 90
