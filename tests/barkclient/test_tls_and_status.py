"""The client against services with TLS, and `barkclient status`."""

import asyncio
import json
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

import barkclient
from barkserve.building import autoscaler
from barkserve.config.autoscaler import AutoscalerOptions
from barkserve.constants import STAGES
from barkserve.v1 import autoscaler_pb2, autoscaler_pb2_grpc
from fixtures.checkpoints import TINY, CheckpointSpec
from tests.barkclient.command_line import Command
from tests.barkclient.terminal import Terminal
from tests.support.certificates import Authority
from tests.support.services import RunningService, running_built, running_chain


async def test_chain_works_over_tls(
    checkpoint_of: Callable[[CheckpointSpec], Path], tmp_path: Path
) -> None:
    files = Authority(tmp_path / "trusted").issue()
    untrusted = Authority(tmp_path / "other", "other").issue()
    options = {"tls_cert": files.certificate, "tls_key": files.key, "tls_ca": files.ca}
    roles = "call-stages=localhost," + ",".join(
        f"{role}=localhost" for role in ("speak", "manage-voices", "operate")
    )
    async with running_chain(checkpoint_of(TINY), certificate_roles=roles, **options) as chain:
        tls = barkclient.Tls(ca=files.ca, certificate=files.certificate, key=files.key)
        async with barkclient.AsyncClient(chain.address, tls=tls) as client:
            audio = await client.synthesize("hello", seed=1).read()
        assert len(audio.samples()) > 0
        command = Command(tmp_path, chain.address)
        flags = ("--tls-ca", files.ca, "--tls-cert", files.certificate, "--tls-key", files.key)
        said = await command("say", "hello", "--seed", "1", *flags)
        assert said.code == 0
        shown = await command("status", "--json", *flags)
        states = [replica["state"] for replica in json.loads(shown.stdout)["replicas"]]
        assert states == ["STATE_READY"] * 5
        for wrong in (
            (),
            ("--tls-ca", files.ca),
            ("--tls-ca", untrusted.ca, *flags[2:]),
        ):
            refused = await command("voices", *wrong)
            assert refused.code == 3


@pytest.mark.parametrize(
    ("tls", "message"),
    [
        ({"certificate": "a.pem"}, "go together"),
        ({"ca": "absent.pem"}, r"cannot read absent\.pem: No such file"),
        ({"ca": __file__}, "is not a PEM file"),
    ],
)
def test_invalid_tls_files_are_named(tls: dict[str, Any], message: str) -> None:
    with pytest.raises(barkclient.InvalidRequest, match=message):
        barkclient.Client("localhost:1", tls=barkclient.Tls(**tls))


async def replicas_seen(scaler: RunningService) -> None:
    """Wait until the autoscaler has seen every service."""
    stub = autoscaler_pb2_grpc.AutoscalerServiceStub(scaler.channel)
    request = autoscaler_pb2.GetScalingRequest()
    scaling = await stub.GetScaling(request)
    while not all(each.replicas for each in scaling.services):
        await asyncio.sleep(0.05)
        scaling = await stub.GetScaling(request)


async def test_status_lists_services_and_scaling_reasons(
    checkpoint_of: Callable[[CheckpointSpec], Path], tmp_path: Path
) -> None:
    async with running_chain(checkpoint_of(TINY)) as chain:
        addresses: dict[str, Any] = {n: service.address for n, service in chain.services.items()}
        options = AutoscalerOptions(**addresses)
        async with running_built("autoscaler", lambda m: autoscaler.build(options, m)) as scaler:
            command = Command(tmp_path, chain.address)
            await replicas_seen(scaler)
            table = (await command("status")).stdout.decode().splitlines()
            both = await command("status", "--autoscaler", scaler.address)
            as_json = await command("status", "--json", "--autoscaler", scaler.address)
            once = await command("status", "--watch", "--autoscaler", scaler.address)
            scaling = await command("status", "--scaling", "--autoscaler", scaler.address)
            missing = await command("status", "--scaling", "--autoscaler", "localhost:1")
    assert "`barkserve autoscaler`" in missing.stderr
    assert table[0].split()[:3] == ["service", "replica", "state"]
    assert [line.split()[0] for line in table[1:6]] == ["orchestrator", *STAGES]
    assert chain.services["coarse"].address in table[3]
    version = metadata.version("barkserve")
    assert all(line.endswith(version) for line in table[1:6])
    assert table[7].startswith("No autoscaler answers")
    lines = scaling.stdout.decode().splitlines()
    assert lines[0].split() == ["service", "replicas", "wanted", "demand", "reason"]
    assert [line.split()[:3] for line in lines[1:]] == [
        [name, "1", "0"] for name in ("orchestrator", *STAGES)
    ]
    assert all(line.endswith("no recent stream") for line in lines[1:])
    assert both.stdout.decode().splitlines()[7:] == lines
    without_terminal = once.stdout.decode().splitlines()
    assert [line.split()[0] for line in without_terminal[1:6]] == ["orchestrator", *STAGES]
    assert len(without_terminal) == len(lines) + 7
    found = json.loads(as_json.stdout)
    assert [each["version"] for each in found["replicas"]] == [version] * 5
    assert [each["reason"] for each in found["services"]] == ["no recent stream"] * 5


async def test_status_watch_draws_the_terminal_again(
    checkpoint_of: Callable[[CheckpointSpec], Path], tmp_path: Path
) -> None:
    """The second drawing shows a stage that has ended since the first one, and why it is silent."""
    async with running_chain(checkpoint_of(TINY)) as chain:
        address = chain.services["codec"].address
        terminal = Terminal(columns=200, lines=40)
        await terminal.start(chain.address, "status", "--watch", "0.05")
        first = await terminal.read_until("ready")
        await chain.services["codec"].server.stop(grace=None)
        later = await terminal.read_until(f"codec {address} is silent: ")
        code, rest = await terminal.interrupt()
    assert code == 0
    assert first.startswith("\x1b[?1049h")  # the second screen of the terminal
    assert later.count("\x1b[H") >= 1
    assert rest.endswith("\x1b[?25h\x1b[?1049l")


async def test_status_watch_survives_a_lost_server() -> None:
    terminal = Terminal(columns=60, lines=10)
    await terminal.start("localhost:1", "status", "--watch", "0.05", "--timeout", "5")
    shown = await terminal.read_until("nothing answers at localhost:1")
    await terminal.read_until("\x1b[H")
    code, _ = await terminal.interrupt()
    assert code == 0
    drawn = shown.rpartition("\x1b[H")[2].replace("\x1b[K", "").partition("\x1b[J")[0]
    assert all(len(line) <= 60 for line in drawn.split("\r\n"))


async def test_status_watch_prints_a_line_of_json_each_time(
    checkpoint_of: Callable[[CheckpointSpec], Path], tmp_path: Path
) -> None:
    async with running_chain(checkpoint_of(TINY)) as chain:
        watch = await Command(tmp_path, chain.address).start("status", "--watch", "0.05", "--json")
        assert watch.stdout is not None
        seen = [json.loads(await watch.stdout.readline()) for _ in range(3)]
        watch.kill()
        await watch.wait()
    assert [len(each["replicas"]) for each in seen] == [5, 5, 5]
    assert seen[0]["unix_seconds"] < seen[1]["unix_seconds"] < seen[2]["unix_seconds"]
