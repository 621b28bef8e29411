"""compose.yaml: services that start with these options, and nothing that other machines reach."""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from barkclient._version import __version__
from barkserve.config.up import UpOptions
from barkserve.constants import STAGES
from barkserve.options import add_options, read_options, unknown_variables
from barkserve.serving.trusted_proxies import TrustedProxies
from barkserve.up.plan import plan_services
from fixtures.processes import free_port

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVERS = ("server", "gpu")


def options_of(name: str) -> UpOptions:
    """The options that a container of the image reads."""
    service = COMPOSE["services"][name]
    variables = {
        key: "" if value.startswith("${BARKSERVE_AUTH") else value
        for key, value in service["environment"].items()
    } | {"BARKSERVE_HOST": "0.0.0.0"}  # of the image
    assert unknown_variables(variables, [UpOptions]) == []
    command, *words = service["command"]
    assert command == "up"
    parser = argparse.ArgumentParser(exit_on_error=False)
    add_options(parser, UpOptions)
    return read_options(UpOptions, parser.parse_args(words), variables)


def test_server_speaks_http_and_grpc_inside_its_container() -> None:
    chosen = options_of("server")
    assert (chosen.port, chosen.http_port) == (50051, 8080)
    here = replace(chosen, http_port=free_port(), wyoming_port=0)  # 8080 may be taken here
    planned = {each.name: each for each in plan_services(here)}
    assert planned["orchestrator"].host == planned["gateway"].host == "0.0.0.0"
    for name in ("orchestrator", "gateway"):
        assert "--insecure" in planned[name].arguments
        (word,) = (each for each in planned[name].arguments if each.startswith("--trusted"))
        trusted = TrustedProxies.from_option(word.partition("=")[2])
        assert "172.18.0.5" in trusted
        assert "127.0.0.1" in trusted


def test_gpu_server_uses_the_gpu_that_it_reserves() -> None:
    chosen = options_of("gpu")
    assert (chosen.device, chosen.dtype) == ("cuda", "float16")
    (device,) = COMPOSE["services"]["gpu"]["deploy"]["resources"]["reservations"]["devices"]
    assert (device["driver"], device["capabilities"]) == ("nvidia", ["gpu"])


@pytest.mark.parametrize("name", SERVERS)
def test_server_is_of_this_version_and_has_no_needless_rights(name: str) -> None:
    service = COMPOSE["services"][name]
    variant = service["build"]["args"]["VARIANT"]
    assert service["image"] == f"ghcr.io/barkserve/barkserve:{__version__}-{variant}"
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    chosen = options_of(name)
    assert int(service["stop_grace_period"].removesuffix("s")) > 2 * (chosen.drain_seconds + 5)


def test_only_the_cpu_server_starts_by_default() -> None:
    started = {name for name, each in COMPOSE["services"].items() if "profiles" not in each}
    assert started == {"server"}


def test_caddy_uses_the_name_of_the_servers() -> None:
    caddy = COMPOSE["services"]["caddy"]
    (file,) = (each.split(":")[0] for each in caddy["volumes"] if "Caddyfile" in each)
    text = (ROOT / file).read_text()
    for name in SERVERS:
        (alias,) = COMPOSE["services"][name]["networks"]["default"]["aliases"]
        assert f"h2c://{alias}:50051" in text
        assert f"{alias}:8080" in text


def test_monitoring_scrapes_every_service_of_the_server() -> None:
    """Prometheus is in the network of the server, where the stages' metrics are."""
    prometheus = COMPOSE["services"]["prometheus"]
    assert prometheus["network_mode"] == "service:${MONITORED:-server}"
    config = yaml.safe_load(source_of(prometheus, "prometheus.yaml").read_text())
    chosen = options_of("server")
    ports = range(chosen.metrics_port, chosen.metrics_port + 2 + len(STAGES))
    (job,) = config["scrape_configs"]
    assert job["static_configs"] == [{"targets": [f"127.0.0.1:{port}" for port in ports]}]
    assert config["rule_files"] == [source_of(prometheus, "alerts.yaml").name]


def test_grafana_reads_that_prometheus_and_all_dashboards() -> None:
    grafana = COMPOSE["services"]["grafana"]
    assert grafana["ports"] == ["127.0.0.1:3000:3000"]
    (source,) = yaml.safe_load(source_of(grafana, "datasources").read_text())["datasources"]
    (alias,) = COMPOSE["services"]["server"]["networks"]["default"]["aliases"]
    assert source["url"] == f"http://{alias}:9090"
    (provider,) = yaml.safe_load(source_of(grafana, "provisioning/dashboards").read_text())[
        "providers"
    ]
    folder = source_of(grafana, f":{provider['options']['path']}:")
    assert {file.name for file in folder.iterdir()} == {
        f"{name}.json" for name in ("overview", "stage", "gpu", "autoscaling")
    }


def source_of(service: dict[str, Any], part: str) -> Path:
    """The file or folder of a mount that has this part."""
    (mount,) = (each for each in service["volumes"] if part in each)
    found = ROOT / mount.split(":")[0]
    assert found.exists()
    return found
