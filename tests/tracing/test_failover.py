"""A replica is killed in mid-speech: the trace, the metric and the log line show the failover."""

import asyncio
import json
import urllib.request
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from barkserve.serving.channel import Dialer
from barkserve.v1 import speech_pb2, speech_pb2_grpc
from fixtures.checkpoints import TINY, CheckpointSpec, never_ending
from fixtures.otlp_receiver import OtlpReceiver, ReceivedSpan, receiving_traces
from fixtures.processes import ServiceProcess, free_port, service_process
from tests.support.mid_stream import blocked, load_of
from tests.support.services import running

SPEC = replace(never_ending(TINY), max_new_tokens=400, block_size=1024)
TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
CALLER_ID = "00f067aa0ba902b7"


async def killed_in_mid_speech(
    folder: Path, receiver: OtlpReceiver, metrics_port: int, released: asyncio.Event
) -> ServiceProcess:
    """Speak while the coarse replica in use is killed; returns the replica that continues."""
    traced = (f"--otlp-endpoint={receiver.endpoint}", "--log-format=json")
    async with asyncio.timeout(240), AsyncExitStack() as stack:
        start = stack.enter_async_context
        words = [
            f"--{stage}={(await start(running(stage, folder))).address}"
            for stage in ("semantic", "fine", "codec")
        ]
        coarse = [
            await start(service_process("coarse", folder, "--threads=1", *traced)) for _ in range(2)
        ]
        words.append(f"--coarse={','.join(each.address for each in coarse)}")
        words.append(f"--metrics-port={metrics_port}")
        orchestrator = await start(service_process("orchestrator", folder, *words, *traced))
        channel = await start(Dialer().open(orchestrator.address))
        responses = aiter(
            speech_pb2_grpc.SpeechServiceStub(channel).Synthesize(
                speech_pb2.SynthesizeRequest(text="hello the world", seed=4),
                metadata=(("traceparent", f"00-{TRACE_ID}-{CALLER_ID}-01"),),
            )
        )
        await anext(responses)
        await anext(responses)
        (busy,) = [each for each in coarse if (await load_of(each)).streams]
        (left,) = [each for each in coarse if each is not busy]
        busy.process.kill()
        await busy.process.wait()
        released.set()
        assert [response async for response in responses][-1].HasField("finished")
        await asyncio.to_thread(assert_failover_is_counted, metrics_port)
        for each in (left, orchestrator):  # their last spans are sent before they exit
            each.process.terminate()
            await each.process.wait()
    return left


def assert_failover_is_counted(metrics_port: int) -> None:
    with urllib.request.urlopen(f"http://127.0.0.1:{metrics_port}/metrics") as response:
        lines = response.read().decode().splitlines()
    counted = [line for line in lines if line.startswith("barkserve_failovers_total{")]
    labels, value = counted[0].rsplit(" ", 1)
    assert (len(counted), float(value)) == (1, 1)
    assert 'callee="coarse",reason="lost"' in labels


async def test_failover_is_traced_counted_and_logged(
    checkpoint_of: Callable[[CheckpointSpec], Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    released = blocked(monkeypatch, "semantic")
    with receiving_traces() as receiver:
        left = await killed_in_mid_speech(checkpoint_of(SPEC), receiver, free_port(), released)
        spans = receiver.spans(TRACE_ID)
    host, _, port = left.address.rpartition(":")
    address = {"server.address": host, "server.port": int(port)}

    rpc, speech = one(spans, "barkserve.v1.SpeechService/Synthesize"), one(spans, "text_to_speech")
    assert (rpc.parent_id, speech.parent) == (CALLER_ID, rpc)
    assert speech.attributes["barkserve.failovers"] == 1
    assert not speech.failed
    failover = one(spans, "failover")
    assert (failover.service, failover.parent) == ("barkserve-orchestrator", speech)
    expected = {"barkserve.stage": "coarse", "barkserve.reason": "lost", **address}
    assert failover.attributes == expected
    assert not failover.failed
    lost, moved = (span for span in spans if span.name == "coarse call")
    assert (lost.failed, moved.failed) == (True, False)
    assert (lost.parent, moved.parent) == (speech, speech)
    assert moved.attributes == address
    assert lost.end_ns <= failover.start_ns <= moved.start_ns <= failover.end_ns <= moved.end_ns
    assert one(spans, "barkserve.v1.CoarseService/Generate").parent is moved

    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("{")]
    (line,) = (each for each in map(json.loads, lines) if "failovers" in each)
    assert (line["message"], line["failovers"]) == ("speech ended with OK", 1)
    assert line["trace_id"] == TRACE_ID
    assert len(line["replicas"]["coarse"]) == 2
    assert line["replicas"]["coarse"][1] == left.address


def one(spans: list[ReceivedSpan], name: str) -> ReceivedSpan:
    """The only span with a name, or with a name that a model's follows."""
    (found,) = (span for span in spans if name in (span.name, span.name.partition(" ")[0]))
    return found
