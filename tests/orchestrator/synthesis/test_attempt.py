"""Which samples of an attempt are sent, and when it fails."""

from typing import Any, cast

import numpy as np
import pytest

from barkserve.orchestrator.audio.silence import SilenceTrimmer
from barkserve.orchestrator.synthesis.attempt import Attempt
from barkserve.orchestrator.synthesis.utterance import Spoken
from barkserve.v1 import common_pb2

RATE = 24_000
STOP, LENGTH = common_pb2.FINISH_REASON_STOP, common_pb2.FINISH_REASON_LENGTH
SILENCE = common_pb2.FINISH_REASON_SILENCE
QUIET = np.zeros(RATE, dtype=np.float32)
LOUD = np.full(RATE, 0.5, dtype=np.float32)


class FakePipeline:
    def __init__(self, finish_reason: common_pb2.FinishReason) -> None:
        self.spoken = Spoken(finish_reason=finish_reason)


def attempt(
    finish_reason: common_pb2.FinishReason = STOP,
    keep_seconds: float | None = None,
    may_fail: bool = True,
) -> Attempt:
    pipeline = cast(Any, FakePipeline(finish_reason))
    return Attempt(pipeline, SilenceTrimmer(RATE, RATE // 75, keep_seconds), may_fail=may_fail)


async def test_attempt_holds_samples_until_the_first_sound() -> None:
    tried = attempt()
    assert len(tried.push(QUIET)) == 0
    assert not tried.accepted.done()
    np.testing.assert_array_equal(tried.push(LOUD), np.concatenate((QUIET, LOUD)))
    assert tried.accepted.result()
    assert not tried.ended
    np.testing.assert_array_equal(tried.push(QUIET), QUIET)
    assert len(tried.push(None)) == 0
    assert (tried.ended, tried.finish_reason) == (True, STOP)


async def test_attempt_fails_when_it_is_silent() -> None:
    tried = attempt()
    assert len(tried.push(QUIET)) == len(tried.push(None)) == 0
    assert not tried.accepted.result()
    assert (tried.ended, tried.finish_reason) == (True, SILENCE)


async def test_attempt_fails_at_its_first_sound_if_too_long() -> None:
    tried = attempt(LENGTH)
    assert len(tried.push(LOUD)) == 0
    assert (tried.ended, tried.accepted.result()) == (True, False)


async def test_attempt_is_kept_if_its_length_limit_is_reached_later() -> None:
    tried = attempt()
    assert len(tried.push(LOUD)) == RATE
    tried.pipeline.spoken.finish_reason = LENGTH
    tried.push(None)
    assert (tried.accepted.result(), tried.finish_reason) == (True, LENGTH)


@pytest.mark.parametrize("finish_reason", [STOP, LENGTH])
async def test_last_attempt_sends_everything(finish_reason: common_pb2.FinishReason) -> None:
    tried = attempt(finish_reason, may_fail=False)
    assert len(tried.push(QUIET)) == RATE
    assert len(tried.push(LOUD)) == RATE
    assert len(tried.push(None)) == 0
    assert tried.finish_reason == finish_reason


async def test_attempt_trims_silence_at_its_end() -> None:
    tried = attempt(keep_seconds=0.25)
    tried.push(LOUD)
    kept = sum(len(tried.push(samples)) for samples in (QUIET, None))
    assert 0.25 * RATE <= kept < 0.5 * RATE
