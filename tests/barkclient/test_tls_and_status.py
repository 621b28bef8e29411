"""The client against services with TLS, and `barkclient status`."""

import asyncio
import json
from collections.abc import Callable
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
            scaling = await command("status", "--scaling", "--autoscaler", scaler.address)
            missing = await command("status", "--scaling", "--autoscaler", "localhost:1")
    assert "`barkserve autoscaler`" in missing.stderr
    assert table[0].split()[:3] == ["service", "replica", "state"]
    assert [line.split()[0] for line in table[1:]] == ["orchestrator", *STAGES]
    assert chain.services["coarse"].address in table[3]
    lines = scaling.stdout.decode().splitlines()
    assert lines[0].split() == ["service", "replicas", "wanted", "demand", "reason"]
    assert [line.split()[:3] for line in lines[1:]] == [
        [name, "1", "0"] for name in ("orchestrator", *STAGES)
    ]
    assert all(line.endswith("no recent stream") for line in lines[1:])
