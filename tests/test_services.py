"""The registry of services: complete, and the only place that lists them."""

import ast
import os
import re
import socket
import subprocess
import sys
import types
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import grpc
import pytest

import barkserve.building
from barkclient._internal.channel import DEFAULT_TARGET
from barkclient.cli.status_arguments import DEFAULT_AUTOSCALER
from barkserve import __main__, services
from barkserve.config.fetch import FetchOptions
from barkserve.config.process import ServiceOptions
from barkserve.config.up import UpOptions
from barkserve.constants import STAGES
from barkserve.engine.core_share import available_cores
from barkserve.errors import ReplicaFailed, StartupError
from barkserve.options import option, port_option
from barkserve.services import GRPC_SERVICES, SERVICES, ServiceEntry, callees
from barkserve.serving.metrics import Metrics
from barkserve.serving.service import Service
from barkserve.up.plan import plan_services
from fixtures.checkpoints import TINY, CheckpointSpec
from fixtures.processes import free_port

BUILDING = Path(barkserve.building.__file__ or "").parent


def builders(folder: Path) -> set[str]:
    """The modules in a folder that define `build`."""
    found = set()
    for path in folder.glob("*.py"):
        body = ast.parse(path.read_text()).body
        if any(isinstance(each, ast.FunctionDef) and each.name == "build" for each in body):
            found.add(f"barkserve.building.{path.stem}")
    return found


def test_every_builder_is_in_the_registry() -> None:
    assert builders(BUILDING) == {entry.builder for entry in SERVICES}, (
        "each module in services/barkserve/building/ with a build function needs an entry in "
        "services/barkserve/services.py, and each entry needs such a module"
    )


def test_builder_without_an_entry_is_found(tmp_path: Path) -> None:
    (tmp_path / "gateway.py").write_text("def build(options, metrics): ...\n")
    (tmp_path / "shared.py").write_text("def make_engine(): ...\n")
    assert builders(tmp_path) == {"barkserve.building.gateway"}


def test_names_and_ports_are_unique() -> None:
    names = [entry.name for entry in SERVICES]
    ports = [port for entry in SERVICES for port in (entry.port, entry.metrics_port)]
    assert len(set(names)) == len(names)
    assert len(set(ports)) == len(ports)
    assert 0 not in ports


def test_stages_of_registry_equal_the_constants() -> None:
    assert tuple(entry.name for entry in SERVICES if entry.is_stage) == STAGES


def test_fetch_offers_the_services_with_a_checkpoint() -> None:
    (choices,) = (
        entry.metadata["choices"]
        for entry in FetchOptions.__dataclass_fields__.values()
        if entry.name == "stage"
    )
    assert set(choices) == {entry.name for entry in SERVICES if entry.reads_checkpoint}


def test_image_exposes_every_port() -> None:
    dockerfile = (BUILDING.parents[1] / "Dockerfile").read_text()
    (line,) = re.findall(r"^EXPOSE (.*)$", dockerfile, re.MULTILINE)
    ports = {port for entry in SERVICES for port in (entry.port, entry.metrics_port)}
    assert {int(port) for port in line.split()} == ports


def test_default_addresses_are_the_default_ports() -> None:
    for caller in SERVICES:
        for callee in callees(caller.options):
            assert getattr(caller.options, callee.name) == f"127.0.0.1:{callee.port}"


def test_client_defaults_are_the_registered_ports() -> None:
    assert f"localhost:{services.ORCHESTRATOR.port}" == DEFAULT_TARGET
    assert f"localhost:{services.AUTOSCALER.port}" == DEFAULT_AUTOSCALER


@pytest.mark.parametrize("entry", GRPC_SERVICES, ids=lambda entry: entry.name)
async def test_built_service_has_the_registered_names(
    checkpoint_of: Callable[[CheckpointSpec], Path], entry: ServiceEntry
) -> None:
    given = {"checkpoint": str(checkpoint_of(TINY))} if entry.reads_checkpoint else {}
    build = import_module(entry.builder).build
    service: Service = build(entry.options(**given), Metrics(entry.name))
    names = tuple(each.full_name for each in service.all_services)
    assert names == (entry.full_name, *entry.extra_services)


@dataclass(frozen=True)
class EchoOptions(ServiceOptions):
    """Options of a service that does not exist."""

    port: int = port_option(50099, "port")
    metrics_port: int = port_option(9499, "metrics port")
    phrase: str = option("hello", "what to repeat")


ECHO = ServiceEntry(
    name="echo",
    options=EchoOptions,
    full_name="test.EchoService",
    builder="tests_echo_builder",
    summary="repeats a phrase",
)


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[EchoOptions]:
    """Registers a fake service; the options that it is built with."""
    calls: list[EchoOptions] = []
    module: Any = types.ModuleType(ECHO.builder)

    async def fail() -> ReplicaFailed:
        """End the process as soon as it serves, so that the test needs no signal."""
        return ReplicaFailed("the echo is lost")

    def build(options: EchoOptions, metrics: Metrics) -> Service:
        calls.append(options)

        def register(server: grpc.aio.Server) -> None:
            return None

        return Service(ECHO.full_name, register, wait_fatal=fail)

    module.build = build
    monkeypatch.setitem(sys.modules, ECHO.builder, module)
    monkeypatch.setattr(services, "SERVICES", (*SERVICES, ECHO))
    return calls


@pytest.mark.usefixtures("built")
def test_new_service_has_a_help_text(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["--help"], ["echo", "--help"]):
        with pytest.raises(SystemExit):
            __main__.run(words)
    shown = capsys.readouterr().out
    for part in ("repeats a phrase", "--phrase", "default: hello", "BARKSERVE_PHRASE", "50099"):
        assert part in shown


def test_new_service_runs_with_its_options(
    built: list[EchoOptions], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    monkeypatch.setenv("BARKSERVE_PHRASE", "again")
    code = __main__.run(["echo", f"--port={port}", "--metrics-port=0"])
    assert built == [EchoOptions(port=port, metrics_port=0, phrase="again")]
    assert code == 1
    assert "barkserve echo: the echo is lost" in capsys.readouterr().err


@pytest.mark.usefixtures("built")
def test_new_service_is_started_by_up() -> None:
    planned = {
        each.name: each
        for each in plan_services(
            UpOptions(log_level="debug", http_port=free_port(), wyoming_port=0)
        )
    }
    assert set(planned) == {"echo", "orchestrator", "gateway", *STAGES}
    echo = planned["echo"]
    assert echo.port == UpOptions.port + 5
    assert echo.arguments[:2] == ("echo", "--exit-on-stdin-close")
    expected = {f"--port={echo.port}", "--host=127.0.0.1", "--log-level=debug"}
    assert expected <= set(echo.arguments)
    assert not any(each.startswith(("--phrase", "--device")) for each in echo.arguments)


def test_up_passes_its_options_to_services_that_have_them() -> None:
    """A new option of `up` needs no second declaration."""
    options = UpOptions(
        port=50051, http_port=0, device="cuda", dtype="float16", slots=3, voice="v2/a"
    )
    for planned in plan_services(options):
        words = set(planned.arguments)
        assert ("--dtype=float16" in words) == planned.is_stage
        assert ("--slots=3" in words) == (planned.name in ("semantic", "coarse"))
        assert ("--voice=v2/a" in words) == (planned.name == "orchestrator")
        assert ("--coarse=127.0.0.1:50053" in words) == (planned.name == "orchestrator")
        assert "--drain-seconds=5.0" in words


def test_up_lets_stages_on_a_cpu_share_its_cores() -> None:
    half = max(1, available_cores() // 2)
    shared = {name: f"--core-share=/cores:{slot}" for slot, name in enumerate(STAGES)}
    for options, threads in (
        (UpOptions(http_port=0), {"codec": half}),
        (UpOptions(http_port=0, threads=3), dict.fromkeys(STAGES, 3)),
        (UpOptions(http_port=0, device="cuda"), dict.fromkeys(STAGES, half)),
    ):
        for stage in plan_services(options, "/cores")[:-1]:
            assert shared[stage.name] in stage.arguments
            assert f"--threads={threads.get(stage.name, 0)}" in stage.arguments


@pytest.mark.parametrize(
    ("host", "reachable"),
    [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("[::]", "[::1]"), ("10.0.0.5",) * 2],
)
def test_up_reaches_the_orchestrator_on_its_host(host: str, reachable: str) -> None:
    planned = plan_services(UpOptions(host=host, port=50051, http_port=0, insecure=True))
    orchestrator, stage = planned[-1], planned[0]
    assert f"--host={host}" in orchestrator.arguments
    assert orchestrator.address == f"{reachable}:50051"
    assert "--insecure" in orchestrator.arguments
    assert "--host=127.0.0.1" in stage.arguments
    assert "--insecure" not in stage.arguments
    assert stage.address == "127.0.0.1:50052"


def test_up_starts_the_gateway_last() -> None:
    port = free_port()
    gateway = plan_services(
        UpOptions(port=50051, metrics_port=9464, http_port=port, wyoming_port=0)
    )[-1]
    assert (gateway.name, gateway.address) == ("gateway", f"127.0.0.1:{port}")
    assert {"--orchestrator=127.0.0.1:50051", "--metrics-port=9469"} <= set(gateway.arguments)


def test_up_lets_the_gateway_require_tokens_that_are_checked() -> None:
    for tokens in ("", "tokens.toml"):
        options = UpOptions(http_port=free_port(), auth_tokens=tokens)
        gateway = plan_services(options)[-1]
        assert ("--require-tokens" in gateway.arguments) == bool(tokens)


@pytest.mark.parametrize("host", ["127.0.0.1", "10.0.0.5", "[fd00::5]"])
def test_up_lets_the_gateway_name_its_callers(host: str) -> None:
    """The gateway calls the orchestrator at its host, and from the same address."""
    options = UpOptions(host=host, http_port=0, insecure=True, trusted_proxies="192.0.2.1")
    orchestrator = plan_services(options)[-1]
    assert f"--trusted-proxies=192.0.2.1,{host.strip('[]')}" in orchestrator.arguments


def test_up_names_the_option_of_a_taken_http_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(StartupError, match=f"port {port} .*--http-port"):
            plan_services(UpOptions(http_port=port))


def test_registry_loads_neither_grpc_nor_torch() -> None:
    code = (
        "import sys, barkserve.services; "
        "sys.exit(bool({'grpc', 'torch', 'numpy'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], env=os.environ, timeout=60).returncode == 0
