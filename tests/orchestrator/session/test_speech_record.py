"""The record of a session."""

import logging

import pytest

from barkserve.checkpoint.folder import CheckpointFolder, bundled_checkpoint
from barkserve.orchestrator.audio.playout_clock import PlayoutClock
from barkserve.orchestrator.session.report import SessionReport
from barkserve.orchestrator.session.speech_metrics import SpeechMetrics
from barkserve.orchestrator.session.speech_record import SpeechRecord
from barkserve.orchestrator.text.warnings import Warnings
from barkserve.serving.metrics import Metrics


def record() -> SpeechRecord:
    metrics = SpeechMetrics.create(Metrics("orchestrator"), "bark-mini")
    config = CheckpointFolder.open(bundled_checkpoint()).bark
    report = SessionReport(config, Warnings(), ["en"], return_voice=False)
    return SpeechRecord(metrics, PlayoutClock(), report, None, with_text=False)


async def test_end_of_an_encoding_counts_no_audio(caplog: pytest.LogCaptureFixture) -> None:
    """A client that resumes may miss only the bytes that end a file."""
    caplog.set_level(logging.INFO, "barkserve")
    made = record()
    with made.recording():
        made.sending_audio(0.0)
    (line,) = caplog.records
    fields = line.__dict__["fields"]
    assert line.getMessage() == "speech ended with OK"
    assert not {"ttfa_s", "rtf", "audio_s"} & fields.keys()


async def test_rtf_is_the_time_to_the_last_audio(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "barkserve")
    made = record()
    with made.recording():
        made.sending_audio(1.5)
        made.sending_audio(0.5)
    fields = caplog.records[0].__dict__["fields"]
    assert fields["audio_s"] == 2.0
    assert 0 <= fields["ttfa_s"] <= 2 * fields["rtf"] + 0.001
