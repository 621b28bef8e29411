"""`barkserve up --orchestrators 2`: both serve, one may fail, no other server can take the port."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from urllib.request import urlopen

import grpc

from barkserve.v1 import speech_pb2, speech_pb2_grpc
from fixtures.checkpoints import TINY, CheckpointSpec
from fixtures.processes import free_port
from tests.system.test_end_to_end import Up, children_of, command, run, words_of
from tests.system.test_up_restarts import line_with, running_up, say

CONNECTIONS = 40
"""With as many connections to two processes, one of them gets none in one of 2^39 runs."""


def orchestrators_of(up: Up) -> list[int]:
    return [pid for pid in children_of(up.process.pid) if "orchestrator" in words_of(pid)]


def speak_once(address: str) -> None:
    """Speak on a connection of its own."""
    options = (("grpc.use_local_subchannel_pool", 1),)
    with grpc.insecure_channel(address, options) as channel:
        request = speech_pb2.SynthesizeRequest(text="hello", seed=1)
        *_, last = speech_pb2_grpc.SpeechServiceStub(channel).Synthesize(request, timeout=60)
        assert last.finished.sample_count > 0


def requests_served(metrics_port: int) -> float:
    with urlopen(f"http://127.0.0.1:{metrics_port}/metrics") as response:
        lines = response.read().decode().splitlines()
    served = [line for line in lines if line.startswith("barkserve_requests_total{")]
    return sum(float(line.split()[-1]) for line in served if 'outcome="OK"' in line)


def list_voices(http_port: int) -> None:
    with urlopen(f"http://127.0.0.1:{http_port}/v1/audio/voices") as response:
        assert response.status == 200


def test_orchestrators_share_the_connections(
    checkpoint_of: Callable[[CheckpointSpec], Path], tmp_path: Path
) -> None:
    """Those of clients, and the calls of the gateway."""
    metrics, http = free_port(), free_port()
    folder = checkpoint_of(TINY)
    options = {"orchestrators": 2, "metrics-port": metrics, "admission": "count"}
    with running_up(folder, **options, **{"http-port": http}) as up:
        for _ in range(CONNECTIONS):
            list_voices(http)
        with urlopen(f"http://127.0.0.1:{metrics + 5}/metrics") as response:
            assert b"\nbarkserve_http_requests_running{" in response.read()
        by_gateway = [requests_served(metrics), requests_served(metrics + 6)]
        assert min(by_gateway) > 0
        assert sum(by_gateway) == CONNECTIONS

        for _ in range(CONNECTIONS):
            speak_once(up.address)
        served = [requests_served(metrics), requests_served(metrics + 6)]
        assert all(now > before for now, before in zip(served, by_gateway, strict=True))
        assert sum(served) == 2 * CONNECTIONS

        port = up.address.rpartition(":")[2]
        words = ("up", f"--checkpoint={folder}", f"--port={port}", "--metrics-port=0")
        for further in ((), ("--orchestrators=2",)):
            second = run(command("barkserve", *words, "--http-port=0", *further))
            assert second.returncode == 1
            assert f"cannot listen on port {port}" in second.stderr

        before = orchestrators_of(up)
        assert len(before) == 2
        os.kill(before[1], signal.SIGKILL)
        assert "starting it again" in line_with(up, "the orchestrator")
        assert run(say(up, tmp_path / "meanwhile.wav")).returncode == 0
        line_with(up, "is ready again")
        assert len(orchestrators_of(up)) == 2
        for _ in range(10):
            speak_once(up.address)
