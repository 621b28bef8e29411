"""`barkserve up` and `barkclient` as real processes, as in the README."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import wave
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from urllib.request import Request, urlopen

import numpy as np
import pytest

from barkserve.constants import STAGES
from fixtures.checkpoints import TINY, CheckpointSpec, never_ending
from tests.support.certificates import Authority
from tests.support.reference import generate

LONG = replace(never_ending(TINY), max_new_tokens=700, block_size=1024)
PORTS = ("port", "metrics-port", "http-port", "wyoming-port")
READY = "barkserve is up at "
TIMEOUT_S = 200  # for steps of a second or two, on a busy machine


def command(*words: str) -> list[str]:
    return [str(Path(sys.executable).with_name(words[0])), *words[1:]]


def up(folder: Path, *more: str, **options: object) -> list[str]:
    flags = {"checkpoint": folder, "threads": 1} | dict.fromkeys(PORTS, 0) | options
    return command("barkserve", "up", *(f"--{k}={v}" for k, v in flags.items()), *more)


def run(words: list[str], **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, capture_output=True, text=True, timeout=TIMEOUT_S, **options)  # type: ignore[call-overload]


def children_of(pid: int) -> list[int]:
    found = run(["ps", "-o", "pid=,ppid=", "-A"]).stdout.split("\n")
    pairs = [tuple(map(int, line.split())) for line in found if line.strip()]
    return [child for child, parent in pairs if parent == pid]


def words_of(pid: int) -> list[str]:
    return run(["ps", "-o", "args=", "-p", str(pid)]).stdout.split()


def gone(pid: int) -> bool:
    """Whether a process has ended; a zombie counts."""
    state = run(["ps", "-o", "stat=", "-p", str(pid)]).stdout
    return not state.strip() or state.startswith("Z")


def wait_until_gone(pids: Iterable[int]) -> None:
    """Wait for processes that are not our children."""
    left = list(pids)
    wait_until(lambda: all(map(gone, left)))


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait for a condition; the timeout of the test limits it."""
    while not condition():
        time.sleep(0.05)


def size_of(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


@dataclass
class Up:
    """`barkserve up` with all services ready."""

    process: subprocess.Popen[str]
    address: str
    services: list[int]

    def rest_of_stderr(self) -> str:
        assert self.process.stderr is not None
        if self.process.stderr.closed:
            return ""
        return self.process.communicate(timeout=TIMEOUT_S)[1]


def start_up(folder: Path, **options: object) -> Up:
    process = subprocess.Popen(up(folder, **options), stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    lines = []
    for line in process.stderr:
        lines.append(line)
        if line.startswith(READY):
            address = line.removeprefix(READY).split(";")[0]
            return Up(process, address, children_of(process.pid))
    process.communicate()
    pytest.fail("barkserve up did not become ready: " + "".join(lines))


@pytest.fixture
def started(checkpoint_of: Callable[[CheckpointSpec], Path]) -> Iterator[Up]:
    up_ = start_up(checkpoint_of(LONG))
    yield up_
    up_.process.kill()
    up_.rest_of_stderr()
    wait_until_gone(up_.services)


def test_up_rejects_unknown_command_before_starting(
    checkpoint_of: Callable[[CheckpointSpec], Path],
) -> None:
    result = run(up(checkpoint_of(TINY), "--", "no-such-command", "x"))
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith("barkserve up: cannot run 'no-such-command'")
    assert result.stderr.count("\n") == 1


def test_up_serves_other_machines_with_tls(
    checkpoint_of: Callable[[CheckpointSpec], Path], tmp_path: Path
) -> None:
    files = Authority(tmp_path).issue()
    info = command("barkclient", "info", f"--tls-ca={files.ca}")
    exposed = {"host": "0.0.0.0", "tls-cert": files.certificate, "tls-key": files.key}
    result = run(up(checkpoint_of(TINY), "--insecure", "--", *info, **exposed))
    assert result.returncode == 0, result.stderr
    assert "[5/5] orchestrator is ready" in result.stderr
    assert "model" in result.stdout


def test_audio_of_up_equals_transformers(
    checkpoint_of: Callable[[CheckpointSpec], Path], tmp_path: Path
) -> None:
    folder, file = checkpoint_of(TINY), tmp_path / "out.wav"
    say = ("barkclient", "say", "hello the world", "--voice=none", "--greedy", "--json")
    how = ("--delivery=exact", "--encoding=pcm16", f"--output={file}")
    result = run(up(folder, "--", *command(*say, *how)))
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    expected = generate(folder, TINY, "hello the world", None).samples
    with wave.open(str(file)) as audio:
        assert (audio.getframerate(), audio.getnchannels()) == (24_000, 1)
        samples = np.frombuffer(audio.readframes(audio.getnframes()), dtype="<i2")
    np.testing.assert_allclose(samples, np.clip(expected * 32767, -32768, 32767), atol=1.01)
    assert report["samples"] == len(samples)
    assert report["finish_reason"] == "stop"
    assert "Traceback" not in result.stderr
    for service in (*STAGES, "orchestrator"):
        assert f"{service} is ready" in result.stderr


def test_up_needs_no_proxy_on_loopback(
    checkpoint_of: Callable[[CheckpointSpec], Path], tmp_path: Path
) -> None:
    """Calls between our own processes ignore the proxy variables."""
    names = ("http_proxy", "https_proxy", "grpc_proxy", "all_proxy")
    dead = {name: "http://127.0.0.1:9" for each in names for name in (each, each.upper())}
    kept = {k: v for k, v in os.environ.items() if k.lower() not in ("no_proxy", "no_grpc_proxy")}
    file = tmp_path / "out.wav"
    say = command("barkclient", "say", "hello the world", "--greedy", f"--output={file}")
    result = run(up(checkpoint_of(TINY), "--", *say), env=kept | dead)
    assert result.returncode == 0, result.stderr
    assert file.stat().st_size > 44


def test_up_names_killed_service_and_stops_the_others(
    checkpoint_of: Callable[[CheckpointSpec], Path],
) -> None:
    up_ = start_up(checkpoint_of(TINY), **{"max-restarts": 0})
    (victim,) = (pid for pid in up_.services if "coarse" in words_of(pid))
    os.kill(victim, signal.SIGKILL)
    assert "the coarse service was killed by SIGKILL" in up_.rest_of_stderr()
    assert up_.process.returncode == 1
    assert all(map(gone, up_.services))


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_signal_stops_up_and_all_services(started: Up, signum: signal.Signals) -> None:
    started.process.send_signal(signum)
    stderr = started.rest_of_stderr()
    assert "Traceback" not in stderr
    assert started.process.returncode in (0, 130), stderr
    assert all(map(gone, started.services))
    assert len(started.services) == 5


def test_stop_lets_a_long_text_finish(
    checkpoint_of: Callable[[CheckpointSpec], Path], tmp_path: Path
) -> None:
    file = tmp_path / "whole.wav"
    text = "hello the world. " * 12
    up_ = start_up(checkpoint_of(TINY), **{"drain-seconds": TIMEOUT_S})
    say = command("barkclient", "say", text, f"--server={up_.address}", "-o", str(file), "--json")
    client = subprocess.Popen(say, stdout=subprocess.PIPE, text=True)
    wait_until(lambda: file.exists() or client.poll() is not None)
    up_.process.terminate()
    segments = json.loads(client.communicate(timeout=TIMEOUT_S)[0])["segments"]
    assert client.returncode == 0
    assert len(segments) > 3
    assert "Traceback" not in up_.rest_of_stderr()
    assert all(map(gone, up_.services))


def test_up_names_the_service_that_is_not_ready_in_time(
    checkpoint_of: Callable[[CheckpointSpec], Path],
) -> None:
    result = run(up(checkpoint_of(TINY), **{"startup-seconds": 0.05}))
    assert result.returncode == 1
    assert result.stderr.startswith(
        "barkserve up: services not ready after 0.05 s: semantic is still loading. Raise "
        "--startup-seconds"
    )
    assert result.stderr.count("\n") == 1


def test_services_end_when_up_is_killed(started: Up) -> None:
    started.process.kill()
    wait_until_gone(started.services)
    assert len(started.services) == 5


def test_interrupted_client_leaves_a_valid_wav(started: Up, tmp_path: Path) -> None:
    file, text = tmp_path / "cut.wav", "hello the world. " * 300  # many minutes of speech
    say = command("barkclient", "say", text, f"--server={started.address}", "-o", str(file))
    client = subprocess.Popen(say, stderr=subprocess.PIPE, text=True)
    wait_until(lambda: client.poll() is not None or size_of(file) > 20_000)
    client.send_signal(signal.SIGINT)
    stderr = client.communicate(timeout=TIMEOUT_S)[1]
    assert (client.returncode, "Traceback" in stderr) == (130, False), stderr
    with wave.open(str(file)) as audio:
        assert audio.getnframes() * 2 + 44 == file.stat().st_size


def test_ctrl_c_while_loading_leaves_no_process(
    checkpoint_of: Callable[[CheckpointSpec], Path],
) -> None:
    process = subprocess.Popen(up(checkpoint_of(TINY)), stderr=subprocess.PIPE, text=True)
    wait_until(lambda: len(children_of(process.pid)) == 5)
    children = children_of(process.pid)
    process.send_signal(signal.SIGINT)
    stderr = process.communicate(timeout=TIMEOUT_S)[1]
    assert (process.returncode, "Traceback" in stderr) == (130, False), stderr
    assert all(map(gone, children))


def test_up_returns_the_exit_code_of_its_command(
    checkpoint_of: Callable[[CheckpointSpec], Path],
) -> None:
    program = "import os, sys; sys.exit(40 + (':' in os.environ['BARKCLIENT_SERVER']))"
    result = run(up(checkpoint_of(TINY), "--", sys.executable, "-c", program))
    assert result.returncode == 41, result.stderr


def test_ctrl_c_ends_the_command_and_its_children(
    checkpoint_of: Callable[[CheckpointSpec], Path], tmp_path: Path
) -> None:
    for name, trap in (("handles", ""), ("ignores", "trap '' INT; ")):
        note = tmp_path / name
        script = f"{trap}sh -c 'echo $$ > {note}; exec sleep 600'; true"
        words = up(checkpoint_of(TINY), "--", "sh", "-c", script, **{"drain-seconds": 1})
        process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
        wait_until(lambda note=note: note.exists() and note.read_text() != "")  # type: ignore[misc]
        process.send_signal(signal.SIGINT)
        assert "Traceback" not in process.communicate(timeout=TIMEOUT_S)[1]
        assert process.returncode in (130, 137)
        wait_until_gone([int(note.read_text())])


def test_port_in_use_is_one_message(checkpoint_of: Callable[[CheckpointSpec], Path]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        words = ("codec", f"--checkpoint={checkpoint_of(TINY)}", f"--port={port}")
        result = run(command("barkserve", *words, "--metrics-port=0"))
    assert result.returncode == 1
    assert f"port {port}" in result.stderr
    assert "--port" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("codec", "--checkpoint=/nowhere/at/all"), "/nowhere/at/all"),
        (("semantic", "--device=tpu"), "--device"),
        (("fine", "--slots=3"), "unrecognized arguments: --slots=3"),
        (("coarse", "--slots=many"), "--slots"),
        (("coarse", "--attention=flash"), "--attention sdpa"),
        (("orchestrator", "--coarse=nowhere"), "--coarse"),
        (("orchestrator", "--voice=v2/unknown"), "v2/unknown"),
        (
            ("codec", "--", "barkclient", "say"),
            "codec: only `barkserve up` runs a command: remove `-- barkclient ...`",
        ),
        ((), "required"),
    ],
)
def test_wrong_start_is_one_message(words: tuple[str, ...], says: str) -> None:
    ports = ("--port=0", "--metrics-port=0") if words else ()
    result = run(command("barkserve", *words[:1], *ports, *words[1:]))
    assert result.returncode in (1, 2)
    assert says in result.stderr
    assert "Traceback" not in result.stderr


def test_broken_checkpoint_is_one_message(
    checkpoint_of: Callable[[CheckpointSpec], Path], tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(checkpoint_of(TINY), broken)
    (broken / "model.safetensors").write_bytes(b"\0" * 100)
    result = run(up(broken))
    assert result.returncode == 1
    assert result.stderr.count("model.safetensors") == 1  # although four services cannot read it
    assert "service ended with exit code 1" in result.stderr
    assert "Traceback" not in result.stderr


HIDE_TORCH = """
import sys
sys.modules["torch"] = sys.modules["tokenizers"] = None  # as after a plain `pip install .`
"""

BUILD_ORCHESTRATOR = """
import asyncio
import barkclient, barkserve.up.command
from barkserve.building import orchestrator
from barkserve.config.orchestrator import OrchestratorOptions
from barkserve.serving.metrics import Metrics

async def build():
    orchestrator.build(OrchestratorOptions(), Metrics("orchestrator"))

asyncio.run(build())
"""

START = """
import sys
from barkserve.__main__ import main
service, missing = sys.argv[1:]
sys.modules[missing] = None
sys.argv = ["barkserve", service, "--port=0", "--metrics-port=0"]
main()
"""


@pytest.mark.parametrize(
    ("service", "missing", "package"),
    [
        ("codec", "torch", "barkserve[stages]"),
        ("gateway", "uvicorn", "barkserve[gateway]"),
        ("orchestrator", "babel", "barkserve"),
    ],
)
def test_missing_package_says_what_to_install(service: str, missing: str, package: str) -> None:
    result = run([sys.executable, "-c", START, service, missing])
    assert result.returncode == 1
    assert f"{missing} is not installed: run pip install '{package}'" in result.stderr
    assert "Traceback" not in result.stderr


def test_orchestrator_and_client_need_no_torch() -> None:
    result = run([sys.executable, "-c", HIDE_TORCH + BUILD_ORCHESTRATOR])
    assert result.returncode == 0, result.stderr


def test_unknown_variable_is_rejected() -> None:
    result = run(command("barkserve", "codec"), env=os.environ | {"BARKSERVE_THREDS": "1"})
    assert result.returncode == 1
    assert "BARKSERVE_THREDS" in result.stderr


def test_version_is_that_of_the_distribution() -> None:
    result = run(command("barkserve", "--version"))
    assert (result.returncode, result.stdout) == (0, f"barkserve {metadata.version('barkserve')}\n")


def test_help_shows_default_and_variable_of_options() -> None:
    text = " ".join(run(command("barkserve", "coarse", "--help")).stdout.split())
    for part in ("--slots", "default: auto", "BARKSERVE_SLOTS", "--max-streams", "default: 64"):
        assert part in text


def test_up_serves_http(checkpoint_of: Callable[[CheckpointSpec], Path], tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    started = start_up(checkpoint_of(TINY), **{"http-port": port})
    try:
        assert started.process.stderr is not None
        assert f"http://127.0.0.1:{port}" in started.process.stderr.readline()
        ports = started.process.stderr.readline()
        assert f"{port} HTTP" in ports
        assert f"{started.address.rpartition(':')[2]} gRPC" in ports
        assert "Wyoming" not in ports
        with urlopen(f"http://127.0.0.1:{port}/", timeout=TIMEOUT_S) as page:
            assert b"<title>barkserve</title>" in page.read()
        body = json.dumps({"input": "hello", "response_format": "wav"}).encode()
        url = f"http://127.0.0.1:{port}/v1/audio/speech"
        request = Request(url, body, {"content-type": "application/json"})
        with urlopen(request, timeout=TIMEOUT_S) as speech:
            assert speech.read(4) == b"RIFF"
    finally:
        started.process.send_signal(signal.SIGTERM)
        started.rest_of_stderr()
    assert started.process.returncode == 0
    wait_until_gone(started.services)
