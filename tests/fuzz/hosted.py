"""The client's side of `hosted_services`: calls with raw bytes, and the state of the process."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
from google.protobuf.descriptor import MethodDescriptor

from barkserve.v1 import speech_pb2, speech_pb2_grpc

CALL_S = 3.0
"""Deadline of a call."""
_ENDLESS_S = 0.2
"""Deadline of a call that does not end by itself."""
_ENDLESS = ("StreamCoreMetrics", "StreamIsActive", "StreamMetricSpec", "Watch")
_LATE_S = 60.0  # a call that is still running so long after its deadline hangs
_WRONG_LOG_LINES = (
    "Traceback (most",
    "was never retrieved",
    "failed unexpectedly",
    "was destroyed",
)


@dataclass(frozen=True)
class Outcome:
    """How a call ended."""

    code: grpc.StatusCode
    details: str
    responses: Sequence[bytes]


@dataclass
class HostedServices:
    """All services, in one process of their own."""

    process: subprocess.Popen[str]
    log: Path
    channels: dict[str, grpc.Channel]
    http: str
    wyoming: str
    checked_log_bytes: int = 0

    def call(
        self, service: str, method: MethodDescriptor, requests: Sequence[bytes], responses: int
    ) -> Outcome:
        """Call a method with raw messages; cancel the call after so many responses."""
        path = f"/{method.containing_service.full_name}/{method.name}"
        channel, timeout = self.channels[service], _deadline_s(method)
        if method.client_streaming:
            call = channel.stream_stream(path)(iter(requests), timeout=timeout)
        else:
            # grpc has no call that can be cancelled for unary responses; this one fits both.
            call = channel.unary_stream(path)(b"".join(requests[:1]), timeout=timeout)
        started, received = time.monotonic(), []
        try:
            for response in call:
                received.append(response)
                if len(received) >= responses:
                    call.cancel()
        except grpc.RpcError:
            pass
        assert time.monotonic() - started < CALL_S + _LATE_S, "the call hung"
        return Outcome(call.code(), call.details() or "", received)

    def speak(self) -> bytes:
        """The audio of an ordinary request, always the same."""
        stub = speech_pb2_grpc.SpeechServiceStub(self.channels["orchestrator"])
        request = speech_pb2.SynthesizeRequest(text="Hello there.", seed=1)
        return b"".join(each.audio.audio for each in stub.Synthesize(request, timeout=60))

    def state(self) -> dict[str, float]:
        """The load, the memory, and the longest stall since the last call."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, f"the process ended with code {self.process.wait()}: {self.log.read_text()}"
        return json.loads(line)

    def wait_without_streams(self) -> dict[str, float]:
        """The state, with the largest stalls, once no stream holds a slot any more."""
        state = self.state()
        end = time.monotonic() + _LATE_S
        while state["streams"]:
            assert time.monotonic() < end, f"{state['streams']} streams still hold a slot"
            time.sleep(0.05)
            later = self.state()
            state = {key: max(state[key], later[key]) for key in state} | {
                "streams": later["streams"]
            }
        return state

    def wrong_log_lines(self) -> list[str]:
        """New lines of the log that only a bug writes."""
        with self.log.open("rb") as log:
            log.seek(self.checked_log_bytes)
            new = log.read()
        self.checked_log_bytes += len(new)
        lines = new.decode(errors="replace").splitlines()
        return [line for line in lines if any(wrong in line for wrong in _WRONG_LOG_LINES)]


def _deadline_s(method: MethodDescriptor) -> float:
    return _ENDLESS_S if method.name in _ENDLESS else CALL_S


@contextmanager
def hosted_services(folder: Path) -> Iterator[HostedServices]:
    """Start all services; stop them at the end."""
    log = folder / "services.log"
    (folder / "voices").mkdir()
    with (
        log.open("w") as stderr,
        subprocess.Popen(
            [sys.executable, "-m", "tests.fuzz.hosted_services", str(folder / "voices")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            env={**os.environ, "PYTHONFAULTHANDLER": "1"},
        ) as process,
    ):
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, log.read_text()
        addresses = json.loads(line)
        channels = {
            name: grpc.insecure_channel(address) for name, address in addresses["grpc"].items()
        }
        try:
            yield HostedServices(process, log, channels, addresses["http"], addresses["wyoming"])
        finally:
            for channel in channels.values():
                channel.close()
            assert process.stdin is not None
            process.stdin.close()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
