"""`barkserve doctor` as a process: it finds each planted fault, and nothing else."""

import json
import os
import random
import shutil
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from barkserve.constants import STAGES
from fixtures.checkpoints import TINY, CheckpointSpec
from tests.support.certificates import DAY, Authority
from tests.system.test_end_to_end import (
    Up,
    children_of,
    command,
    run,
    start_up,
    wait_until_gone,
    words_of,
)

NO_PORTS = ("--port=0", "--metrics-port=0", "--http-port=0", "--wyoming-port=0")
CUDA = "--device=cuda"
FAKE_TORCH = """
import sys, types
class cuda:
    device_count = staticmethod(lambda: {devices})
    get_device_name = staticmethod(lambda index: "NVIDIA H200")
    mem_get_info = staticmethod(lambda index: (100 << 30, 140 << 30))
def zeros(count, device):
    if not {devices}:
        raise RuntimeError("Found no NVIDIA driver on your system")
"""


@dataclass
class Result:
    """What a run of the doctor printed."""

    code: int
    healthy: bool
    findings: list[dict[str, str]]

    def complaints(self) -> list[str]:
        """The checks that complain."""
        return [each["check"] for each in self.findings if each["state"] != "ok"]

    def text(self) -> str:
        """Details and remedies of all complaints."""
        bad = [each for each in self.findings if each["state"] != "ok"]
        return "\n".join(f"{each['detail']}: {each['remedy']}" for each in bad)


def doctor(
    *words: str, before: Sequence[str] = (), env: dict[str, str] | None = None, **options: Any
) -> Result:
    environment = {**os.environ, **(env or {})}
    done = run(
        [*before, sys.executable, "-m", "barkserve", "doctor", "--json", *words],
        env=environment,
        **options,
    )
    assert done.stdout, done.stderr
    printed = json.loads(done.stdout)
    return Result(done.returncode, printed["healthy"], printed["findings"])


@dataclass
class Place:
    """Where a fault is planted."""

    checkpoint: Path
    folder: Path
    stack: ExitStack

    def python_path(self, name: str, text: str) -> dict[str, str]:
        """Variables of a program that imports this file as a module."""
        file = self.folder / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
        paths = (str(self.folder), *sys.path)
        return {"PYTHONPATH": os.pathsep.join(filter(None, paths))}

    def torch(self, devices: int) -> dict[str, str]:
        """Variables of a program that finds a CUDA build of torch, and so many devices."""
        self.python_path("torch/version.py", "__version__ = '2.8.0+cu128'\ncuda = '12.8'\n")
        return self.python_path("torch/__init__.py", FAKE_TORCH.format(devices=devices))


Plant = Callable[[Place], dict[str, Any]]


def used_port(place: Place) -> dict[str, Any]:
    server = place.stack.enter_context(closing(socket.create_server(("127.0.0.1", 0))))
    server.settimeout(0)
    return {"words": [f"--http-port={server.getsockname()[1]}"]}


def cut_weights(place: Place) -> dict[str, Any]:
    weights = place.checkpoint / "model.safetensors"
    os.truncate(weights, weights.stat().st_size // 2)
    return {}


def huge_weights(place: Place) -> dict[str, Any]:
    """A sparse file: four TiB of zeros, and no space on the disk."""
    size = 4 << 40
    names = ("semantic.", "coarse_acoustics.", "fine_acoustics.", "codec_model.decoder.")
    tensors = {
        f"{name}x": {
            "dtype": "U8",
            "shape": [size // 4],
            "data_offsets": [start, start + size // 4],
        }
        for name, start in zip(names, range(0, size, size // 4), strict=True)
    }
    header = json.dumps(tensors).encode()
    with (place.checkpoint / "model.safetensors").open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        file.truncate(8 + len(header) + size)
    return {}


def expired_certificate(place: Place) -> dict[str, Any]:
    files = Authority(place.folder).issue(starts=-2 * DAY, ends=-DAY)
    return {"words": [f"--tls-cert={files.certificate}", f"--tls-key={files.key}"]}


def ending_certificate(place: Place) -> dict[str, Any]:
    files = Authority(place.folder).issue(ends=timedelta(hours=5))
    return {"words": [f"--tls-cert={files.certificate}", f"--tls-key={files.key}"]}


def missing_stage(place: Place) -> dict[str, Any]:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port = server.getsockname()[1]
    return {"words": [f"--coarse=127.0.0.1:{port}"]}


def few_files(place: Place) -> dict[str, Any]:
    return {"before": ["bash", "-c", 'ulimit -n 100; exec "$@"', "bash"]}


def dead_proxy(place: Place) -> dict[str, Any]:
    words = ["--coarse=192.0.2.1:50053", "--grpc-proxy=environment", "--wait-seconds=0.1"]
    return {"words": words, "env": {"grpc_proxy": "http://127.0.0.1:9", "no_proxy": ""}}


def old_clock(place: Place) -> dict[str, Any]:
    shifted = "import time\nnow = time.time\ntime.time = lambda: now() - 1e9\n"
    return {"env": place.python_path("sitecustomize.py", shifted)}


def broken_tokens(place: Place) -> dict[str, Any]:
    file = place.folder / "tokens.toml"
    file.write_text("[[caller]]\nname = 1\n")
    return {"words": [f"--auth-tokens={file}"]}


def unwritable_store(place: Place) -> dict[str, Any]:
    file = place.folder / "file"
    file.touch()
    return {"words": [f"--voice-store={file}/voices"]}


def no_compiler(place: Place) -> dict[str, Any]:
    env = place.torch(devices=1) | {"PATH": str(place.folder), "CC": ""}
    return {"words": [CUDA, "--attention=triton", "--mps=off"], "env": env}


def with_gpu(*words: str, devices: int = 1) -> Plant:
    def plant(place: Place) -> dict[str, Any]:
        return {"words": [CUDA, *words], "env": place.torch(devices) | {"CC": "cc"}}

    return plant


def with_words(*words: str) -> Plant:
    return lambda place: {"words": list(words)}


FAULTS: dict[str, tuple[Plant, list[str], str]] = {
    "a used port": (used_port, ["ports"], "choose another with --http-port"),
    "cut weights": (cut_weights, ["weights"], "fetch the checkpoint again"),
    "too little memory": (huge_weights, ["memory"], "use a smaller checkpoint"),
    "an expired certificate": (expired_certificate, ["certificates"], "renew it"),
    "a missing stage": (missing_stage, ["coarse"], "start it, or correct --coarse"),
    "a low limit of files": (few_files, ["files"], "ulimit -n 65536"),
    "an unreachable proxy": (dead_proxy, ["proxies", "coarse"], "unset grpc_proxy, use --grpc"),
    "an old clock": (old_clock, ["clock"], "timedatectl set-ntp true"),
    "a broken token file": (broken_tokens, ["callers"], "--auth-tokens"),
    "an unwritable voice store": (unwritable_store, ["voice store"], "give another folder"),
    "no C compiler": (no_compiler, ["triton"], "install gcc, or set CC"),
    "no driver": (with_gpu("--mps=off", "--attention=sdpa", devices=0), ["driver"], "--gpus all"),
    "no flash-attn": (with_gpu("--attention=flash", "--mps=off"), ["flash-attn"], "[flash]"),
    "no MPS": (with_gpu("--attention=sdpa", "--mps=on"), ["mps"], "or use --mps off"),
    "a CPU build of torch": (with_words(CUDA), ["torch"], "install a CUDA build of torch"),
    "too many threads": (with_words("--threads=999"), ["cores"], "or leave it out"),
    "an open port without TLS": (with_words("--host=0.0.0.0"), ["options"], "--insecure"),
    "a misspelled variable": (
        lambda place: {"env": {"BARKSERVE_THREDS": "2"}}, ["variables"], "BARKSERVE_THREDS",
    ),
}  # fmt: skip


@pytest.fixture
def place(tiny_folder: Path, tmp_path: Path) -> Iterator[Place]:
    checkpoint = Path(shutil.copytree(tiny_folder, tmp_path / "checkpoint"))
    with ExitStack() as stack:
        yield Place(checkpoint, tmp_path, stack)


@pytest.mark.parametrize("name", FAULTS)
def test_doctor_finds_each_planted_fault(name: str, place: Place) -> None:
    plant, expected, remedy = FAULTS[name]
    given = plant(place)
    words = (f"--checkpoint={place.checkpoint}", "--voice-store=none", *NO_PORTS)
    found = doctor(*words, *given.pop("words", ()), **given)
    assert found.complaints() == expected
    assert remedy in found.text()
    assert (found.code, found.healthy) == (1, False)


def test_doctor_only_warns_of_a_certificate_that_ends_soon(place: Place) -> None:
    words = (f"--checkpoint={place.checkpoint}", "--voice-store=none", *NO_PORTS)
    found = doctor(*words, *ending_certificate(place)["words"])
    assert found.complaints() == ["certificates"]
    assert (found.code, found.healthy) == (0, True)


def test_doctor_prints_a_table_without_json(place: Place) -> None:
    words = (f"--checkpoint={place.checkpoint}", "--voice-store=none", *NO_PORTS)
    done = run(command("barkserve", "doctor", *words, "--threads=999"))
    lines = done.stdout.splitlines()
    assert done.returncode == 1
    assert lines[-1] == "1 problems, 0 warnings"
    assert sum(line.startswith("PROBLEM  cores          --threads 999") for line in lines) == 1
    assert all(len(line) <= 80 or "/" in line for line in lines)


@dataclass
class Deployment:
    """`barkserve up` with known ports, and the options with which the doctor looks at it."""

    up: Up
    words: tuple[str, ...]
    addresses: dict[str, str]

    def pid(self, service: str) -> int:
        [pid] = (pid for pid in children_of(self.up.process.pid) if service in words_of(pid))
        return pid


@pytest.fixture(scope="module")
def deployment(
    checkpoint_of: Callable[[CheckpointSpec], Path],
) -> Iterator[Deployment]:
    folder, port, metrics_port = checkpoint_of(TINY), free_block(5), free_block(6)
    ports = {"port": port, "metrics-port": metrics_port, "http-port": free_block(1)}
    ports["wyoming-port"] = free_block(1)
    started = start_up(folder, **ports)
    names = ("orchestrator", *STAGES)
    addresses = {name: f"127.0.0.1:{port + index}" for index, name in enumerate(names)}
    flags = (f"--{name}={value}" for name, value in (ports | addresses).items())
    try:
        yield Deployment(started, (f"--checkpoint={folder}", *flags), addresses)
    finally:
        services = children_of(started.process.pid)
        started.process.kill()
        started.rest_of_stderr()
        wait_until_gone(services)


def free_block(count: int) -> int:
    """The first of some free ports in a row, outside the range of ephemeral ports."""
    while True:
        first = random.randrange(10_000, 30_000)
        with ExitStack() as stack:
            try:
                for port in range(first, first + count):
                    stack.enter_context(closing(socket.create_server(("127.0.0.1", port))))
            except OSError:
                continue
            return first


def test_doctor_finds_nothing_on_a_healthy_stack(deployment: Deployment) -> None:
    found = doctor(*deployment.words)
    assert found.complaints() == []
    assert (found.code, found.healthy) == (0, True)
    checks = {each["check"]: each["detail"] for each in found.findings}
    assert checks.keys() >= {"orchestrator", *STAGES, "replicas", "clocks", "ports", "weights"}
    assert checks["ports"].endswith("barkserve answers on 13 of them")
    assert checks["clocks"] == "those of 5 services agree with this one"


def test_doctor_finds_a_hung_stage(deployment: Deployment) -> None:
    pid = deployment.pid("fine")
    os.kill(pid, signal.SIGSTOP)
    try:
        found = doctor(*deployment.words, "--wait-seconds=0.5")
    finally:
        os.kill(pid, signal.SIGCONT)
    assert "fine" in found.complaints()
    assert "it hangs, or a firewall drops packets" in found.text()
    assert found.code == 1


def test_doctor_finds_exchanged_addresses(deployment: Deployment) -> None:
    fine = deployment.addresses["fine"]
    found = doctor(f"--coarse={fine}", *NO_PORTS, "--voice-store=none")
    assert found.complaints() == ["coarse"]
    assert f"{fine} is another service, not coarse: correct --coarse" in found.text()


def test_doctor_finds_tls_against_plaintext(deployment: Deployment, tmp_path: Path) -> None:
    ca = Authority(tmp_path).issue().ca
    address = deployment.addresses["codec"]
    found = doctor(f"--codec={address}", f"--tls-ca={ca}", *NO_PORTS, "--voice-store=none")
    assert found.complaints() == ["codec"]
    assert "TLS" in found.text()


def test_doctor_finds_clocks_that_differ(deployment: Deployment, tmp_path: Path) -> None:
    place = Place(tmp_path, tmp_path, ExitStack())
    env = place.python_path(
        "sitecustomize.py", "import time\nnow = time.time\ntime.time = lambda: now() + 3600\n"
    )
    address = deployment.addresses["orchestrator"]
    found = doctor(f"--orchestrator={address}", *NO_PORTS, "--voice-store=none", env=env)
    assert set(found.complaints()) == {"clocks"}
    assert "-3600 s from the clock here: synchronize both machines with NTP" in found.text()
