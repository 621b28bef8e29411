"""One request through the gateway and five services: one trace, and its ids in every log line."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from barkserve.constants import STAGES
from fixtures.checkpoints import TINY, CheckpointSpec
from fixtures.otlp_receiver import ReceivedSpan, receiving_traces
from fixtures.processes import free_port

Folder = Callable[[CheckpointSpec], Path]

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
CALLER_ID = "00f067aa0ba902b7"
TEXT = "hello the world"
_SPEAK = f"""
import sys, httpx
headers = {{"traceparent": "00-{TRACE_ID}-{CALLER_ID}-01", "x-request-id": "call-7"}}
body = {{"model": "tts-1", "input": "{TEXT}", "voice": "none", "response_format": "wav"}}
response = httpx.post(sys.argv[1], json=body, headers=headers, timeout=100)
assert response.status_code == 200, response.text
"""


@dataclass(frozen=True)
class Traced:
    """What the services sent and logged for one request."""

    spans: list[ReceivedSpan]
    lines: list[dict[str, Any]]

    def one(self, name: str, service: str = "orchestrator") -> ReceivedSpan:
        (found,) = self.all(name, service)
        return found

    def all(self, name: str, service: str) -> list[ReceivedSpan]:
        return [
            each
            for each in self.spans
            if (each.name, each.service) == (name, f"barkserve-{service}")
        ]


@pytest.fixture(scope="module")
def traced(checkpoint_of: Folder) -> Iterator[Traced]:
    """One request over HTTP."""
    port = free_port()
    with receiving_traces() as receiver:
        words = [sys.executable, "-m", "barkserve", "up", f"--checkpoint={checkpoint_of(TINY)}"]
        words += ["--port=0", "--metrics-port=0", "--wyoming-port=0", f"--http-port={port}"]
        words += ["--threads=1", "--log-level=debug", f"--otlp-endpoint={receiver.endpoint}"]
        url = f"http://127.0.0.1:{port}/v1/audio/speech"
        words += ["--", sys.executable, "-c", _SPEAK, url]
        result = subprocess.run(words, capture_output=True, text=True, timeout=300)
        assert result.returncode == 0, result.stderr
        logged = [line for line in result.stderr.splitlines() if line.startswith("{")]
        yield Traced(receiver.spans(TRACE_ID), list(map(json.loads, logged)))


def test_request_gives_one_trace_through_all_services(traced: Traced) -> None:
    roots = [span for span in traced.spans if span.parent is None]
    assert len(roots) == 1, roots
    first = roots[0]
    assert (first.service, first.parent_id) == ("barkserve-gateway", CALLER_ID)
    assert {span.service for span in traced.spans} == {
        f"barkserve-{name}" for name in ("gateway", "orchestrator", *STAGES)
    }


def test_spans_have_the_right_parents(traced: Traced) -> None:
    http = traced.one("POST /v1/audio/speech", "gateway")
    rpc = traced.one("barkserve.v1.SpeechService/Synthesize")
    assert rpc.parent is http
    (speech,) = (s for s in traced.spans if s.name.startswith("text_to_speech "))
    assert speech.parent is rpc
    assert traced.one("admission").parent is speech
    methods = {"codec": "Decode"}
    for stage in STAGES:
        call = traced.one(f"{stage} call")
        assert call.parent is speech
        served = traced.one(
            f"barkserve.v1.{stage.title()}Service/{methods.get(stage, 'Generate')}", stage
        )
        assert served.parent is call
        assert served.attributes["barkserve.request_id"] == "call-7"
    work = {"semantic": "generate", "coarse": "window", "fine": "fill", "codec": "decode"}
    for stage, name in work.items():
        spans = traced.all(name, stage)
        assert spans, stage
        assert {span.parent.name.partition("/")[0] for span in spans if span.parent} == {
            f"barkserve.v1.{stage.title()}Service"
        }
    for stage in ("semantic", "coarse"):
        assert all(
            span.parent in traced.all(work[stage], stage) for span in traced.all("prefill", stage)
        )
        assert traced.all("prefill", stage)
        assert any("burst" in span.events for span in traced.all(work[stage], stage))


def test_spans_are_in_order(traced: Traced) -> None:
    for span in traced.spans:
        assert span.start_ns <= span.end_ns
        assert not span.failed, span
        if span.parent is not None:
            assert span.parent.start_ns <= span.start_ns, span
    firsts = [
        min(span.start_ns for span in traced.all(name, stage))
        for stage, name in zip(STAGES, ("generate", "window", "fill", "decode"), strict=True)
    ]
    assert firsts == sorted(firsts)


def test_speech_span_follows_the_conventions(traced: Traced) -> None:
    (speech,) = (s for s in traced.spans if s.name.startswith("text_to_speech "))
    assert speech.attributes["gen_ai.operation.name"] == "text_to_speech"
    assert speech.attributes["gen_ai.speech.voice"] == "none"
    assert speech.attributes["gen_ai.request.model"] in speech.name
    assert int(str(speech.attributes["gen_ai.usage.audio.output_tokens"])) > 0
    assert speech.events == ["first audio"]
    assert not any(TEXT in str(span.attributes) for span in traced.spans)


def test_every_line_of_the_request_holds_its_ids(traced: Traced) -> None:
    ids = {"request_id": "call-7", "trace_id": TRACE_ID}
    during = [line for line in traced.lines if ids.items() & line.items()]
    assert all(ids.items() <= line.items() for line in during)
    assert {line["service"] for line in during} == {"gateway", "orchestrator", *STAGES}
    for stage in STAGES:
        assert any("Service/" in line["message"] for line in during if line["service"] == stage)
    (speech,) = (line for line in during if line["message"] == "speech ended with OK")
    assert speech["voice"] == "none"
    assert 0 < speech["ttfa_s"] <= speech["duration_s"]
    assert speech["audio_s"] > 0
    assert speech["underrun_s"] >= 0
    assert set(speech["tokens"]) == set(speech["replicas"]) == set(STAGES)
    assert not any(TEXT in json.dumps(line) for line in traced.lines)
