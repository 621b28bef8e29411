"""The plan of several orchestrators on one port."""

import re
import socket

import pytest

from barkserve.config.up import UpOptions
from barkserve.constants import STAGES
from barkserve.errors import StartupError
from barkserve.up.orchestrators import reserved_port
from barkserve.up.plan import PlannedService, plan_services
from fixtures.processes import free_port


def value(service: PlannedService, option: str) -> int:
    """A number in a command line."""
    [found] = (
        re.fullmatch(rf"--{option}=(\d+)", word) for word in service.arguments if option in word
    )
    assert found is not None
    return int(found[1])


def orchestrators(options: UpOptions) -> list[PlannedService]:
    return [each for each in plan_services(options) if each.arguments[0] == "orchestrator"]


def test_orchestrators_share_port_and_streams() -> None:
    port = free_port()
    options = UpOptions(port=port, http_port=0, metrics_port=9464, orchestrators=3, max_streams=64)
    planned = orchestrators(options)
    assert [each.name for each in planned] == ["orchestrator", "orchestrator 2", "orchestrator 3"]
    assert {each.port for each in planned} == {port}
    assert [value(each, "max-streams") for each in planned] == [22, 21, 21]
    gateway = 9464 + 1 + len(STAGES)
    assert [value(each, "metrics-port") for each in planned] == [9464, gateway + 1, gateway + 2]
    own = [value(each, "own-port") for each in planned]
    assert len({port, *own}) == 4
    assert [each.own_address for each in planned] == [f"127.0.0.1:{each}" for each in own]


def test_gateway_calls_each_orchestrator_on_its_own_port() -> None:
    options = UpOptions(
        port=0, http_port=free_port(), wyoming_port=0, orchestrators=2, host="0.0.0.0",
        insecure=True, trusted_proxies="10.0.0.1",
    )  # fmt: skip
    *_, first, second, gateway = plan_services(options)
    own = [value(each, "own-port") for each in (first, second)]
    assert f"--orchestrator=ipv4:127.0.0.1:{own[0]},127.0.0.1:{own[1]}" in gateway.arguments
    assert "--trusted-proxies=10.0.0.1,127.0.0.1" in first.arguments


def test_single_orchestrator_keeps_its_port_to_itself() -> None:
    [planned] = orchestrators(UpOptions(http_port=0))
    assert not any("own-port" in word for word in planned.arguments)
    assert planned.own_address == planned.address


def test_metrics_stay_off_for_all_orchestrators() -> None:
    options = UpOptions(port=0, http_port=0, metrics_port=0, orchestrators=2)
    assert [value(each, "metrics-port") for each in orchestrators(options)] == [0, 0]


def test_more_orchestrators_than_streams_are_refused() -> None:
    with pytest.raises(StartupError, match="--max-streams 2"):
        plan_services(UpOptions(port=0, http_port=0, orchestrators=3, max_streams=2))


def test_port_of_another_program_is_refused() -> None:
    port = free_port()
    first = UpOptions(port=port, http_port=0, orchestrators=2)
    with reserved_port(first, port):  # held, although nothing listens
        for orchestrators_wanted in (2, 3):
            again = UpOptions(port=port, http_port=0, orchestrators=orchestrators_wanted)
            with pytest.raises(StartupError, match=f"port {port} .*--port"):
                plan_services(again)
    listening = socket.create_server(("127.0.0.1", port), reuse_port=True)
    with listening, pytest.raises(StartupError, match=f"port {port}"):
        plan_services(first)
