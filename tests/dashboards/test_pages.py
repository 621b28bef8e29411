"""The commands of the pages on upgrades and tenants, as processes on other ports."""

import os
import re
import signal
import subprocess
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from barkserve.constants import STAGES
from tests.doctor.test_doctor import free_block
from tests.support.snippets import snippets
from tests.system.test_end_to_end import command, run, wait_until

TEXT = "This sentence is spoken while the server is replaced by another one."
OTHER_PORTS = re.compile(r" --(http-port|metrics-port|wyoming-port) \d+")

pytestmark = pytest.mark.skipif(
    not os.environ.get("PROMETHEUS"), reason="takes minutes: make test-dashboards runs it"
)


def lines(page: str, start: str) -> list[str]:
    """The commands of a page that start like this, without comments."""
    return [
        each.text.partition(" #")[0].strip()
        for each in snippets()
        if each.page == f"docs/{page}" and not each.language and each.text.startswith(start)
    ]


@contextmanager
def server(line: str, folder: Path, ready: str, **ports: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command of a page on other ports until the end of the block."""
    for old, new in ports.items():
        line = line.replace(old.removeprefix("port"), str(new))
    log = folder / f"{len(list(folder.iterdir()))}.log"
    words = line.split()
    if words[1] == "up":
        words = OTHER_PORTS.sub("", line).split()
        words += ["--http-port=0", "--wyoming-port=0", "--metrics-port=0"]
    with log.open("w") as file:
        process = subprocess.Popen(command(*words), cwd=folder, stderr=file)
    try:
        wait_until(lambda: ready in log.read_text() or process.poll() is not None)
        assert process.poll() is None, log.read_text()
        yield process
    finally:
        process.terminate()
        process.wait()


def say(folder: Path, address: str, name: str) -> list[str]:
    words = command("barkclient", "say", TEXT, "--seed=1", "--encoding=pcm16")
    return [*words, f"--server={address}", f"--output={folder / name}"]


def samples(file: Path) -> NDArray[np.int64]:
    with wave.open(str(file)) as audio:
        return np.frombuffer(audio.readframes(audio.getnframes()), "<i2").astype(np.int64)


def test_upgrade_on_one_machine_cuts_no_stream(tmp_path: Path) -> None:
    old_line, new_line = lines("upgrades.md", "barkserve up")
    (check,) = lines("upgrades.md", "barkserve doctor")
    old_port, new_port = free_block(5), free_block(5)
    both = f"ipv4:127.0.0.1:{old_port},127.0.0.1:{new_port}"
    with server(old_line, tmp_path, "is up at", port50051=old_port) as old:
        assert run(say(tmp_path, f"127.0.0.1:{old_port}", "expected.wav")).returncode == 0
        running = subprocess.Popen(say(tmp_path, both, "during.wav"), stderr=subprocess.PIPE)
        assert running.stderr is not None
        assert b"first audio" in running.stderr.readline()
        with server(new_line, tmp_path, "is up at", port60051=new_port):
            words = [*check.replace("60051", str(new_port)).split(), "--port=0"]
            checked = run(command(*words, "--metrics-port=0", "--http-port=0", "--wyoming-port=0"))
            assert checked.returncode == 0, checked.stdout
            old.send_signal(signal.SIGTERM)
            running.communicate()
            assert running.returncode == 0
            assert old.wait() == 0
            assert run(say(tmp_path, both, "next.wav")).returncode == 0
    np.testing.assert_allclose(
        samples(tmp_path / "during.wav"), samples(tmp_path / "expected.wav"), atol=2
    )


def test_tenants_share_stages_and_nothing_else(tmp_path: Path) -> None:
    (up,) = lines("tenants.md", "barkserve up")
    orchestrators = lines("tenants.md", "barkserve orchestrator")
    first, acme, globex = free_block(5), free_block(1), free_block(1)
    stages = " ".join(f"--{name}=127.0.0.1:{first + n}" for n, name in enumerate(STAGES, 1))
    tokens = []
    for line in lines("tenants.md", "barkserve token"):
        words, _, file = line.partition(" > ")
        made = run(command(*words.split()))
        (tmp_path / file).write_text(made.stdout)
        tokens.append(re.findall(r"barkserve_\S+", made.stderr)[0])

    def client(token: str, port: int, *words: str) -> subprocess.CompletedProcess[str]:
        environment = os.environ | {"BARKCLIENT_TOKEN": token}
        server_flag = f"--server=127.0.0.1:{port}"
        return run([*command("barkclient", *words), server_flag], env=environment, cwd=tmp_path)

    with (
        server(up, tmp_path, "is up at", port50051=first),
        server(f"{orchestrators[0]} {stages}", tmp_path, "is ready", port50061=acme),
        server(f"{orchestrators[1]} {stages}", tmp_path, "is ready", port50062=globex),
    ):
        assert client(tokens[0], acme, "say", "Hello.", "--save-voice=v.npz").returncode == 0
        assert client(tokens[0], acme, "voices", "create", "house", "v.npz").returncode == 0
        assert client(tokens[1], globex, "say", "Hello.").returncode == 0
        assert client(tokens[1], acme, "say", "Hello.").returncode == 6
        assert "house" in client(tokens[0], acme, "voices").stdout
        assert "house" not in client(tokens[1], globex, "voices").stdout
