"""The chart and the program agree on services, ports, health names and options."""

import argparse
import json
import re
from dataclasses import fields
from typing import Any

import pytest
import yaml

from barkserve import options
from barkserve.config.fetch import FetchOptions
from barkserve.config.orchestrator import OrchestratorOptions
from barkserve.config.process import ProcessOptions, ServiceOptions
from barkserve.services import SERVICES, service_named
from tests.helm.chart import CHART, VALUES_FILES, release_of, values_of
from tools import chart_readme, chart_schema

SCHEMA = json.loads((CHART / "values.schema.json").read_text())
TEMPLATES = "\n".join(path.read_text() for path in sorted(CHART.glob("templates/**/*.*")))


def parsed(kind: type[Any], words: list[str]) -> Any:
    parser = argparse.ArgumentParser(exit_on_error=False)
    options.add_options(parser, kind)
    return options.read_options(kind, parser.parse_args(words), {})


def template(name: str) -> str:
    """The text of a `define` block."""
    block = rf'define "{name}" -\}}\}}\n(.*?)\n\{{\{{- end \}}\}}\n\n'
    found = re.search(block, TEMPLATES, re.DOTALL)
    assert found is not None
    return found[1]


def settable(kind: type[Any]) -> set[str]:
    """The options of a service that values may set."""
    return {entry.name for entry in chart_schema.offered(kind)}


@pytest.mark.parametrize("path", VALUES_FILES, ids=lambda path: path.stem)
def test_services_accept_the_arguments_of_the_chart(path: Any) -> None:
    release = release_of(path)
    for name in release.all("Deployment"):
        entry = service_named(name.removeprefix("bark-"))
        container = release.container(entry.name)
        command, *words = container["args"]
        assert command == entry.name
        chosen = parsed(entry.options, words)
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        assert chosen.port == ports["http" if entry.is_http else "grpc"] == entry.port
        assert chosen.metrics_port == ports["metrics"] == entry.metrics_port
        if not entry.is_http:
            assert container["readinessProbe"]["grpc"]["service"] == entry.full_name
        assert chosen.host in ("0.0.0.0", "[::]")
        for fetch in release.pod(entry.name).get("initContainers", []):
            command, *words = fetch["args"]
            assert command == "fetch"
            fetched = parsed(FetchOptions, words)
            assert (fetched.stage, fetched.to) == (entry.name, chosen.checkpoint)


def test_facts_of_the_chart_equal_the_registry() -> None:
    assert yaml.safe_load(template("barkserve.facts")) == {
        entry.name: {
            "port": entry.port,
            "metricsPort": entry.metrics_port,
            "health": entry.full_name,
        }
        for entry in SERVICES
    }
    stages = [entry.name for entry in SERVICES if entry.is_stage]
    assert json.loads(template("barkserve.stages")) == stages


def test_grpc_options_are_those_that_the_gateway_lacks() -> None:
    grpc = settable(ServiceOptions) - settable(ProcessOptions)
    names = json.loads(template("barkserve.grpcOptions"))
    assert {name.replace("-", "_") for name in names} == grpc


def test_values_cover_every_service() -> None:
    names = {entry.name for entry in SERVICES}
    assert set(values_of(CHART / "values.yaml")["services"]) == names
    assert set(SCHEMA["properties"]["services"]["properties"]) == names
    assert set(SCHEMA["properties"]["tls"]["properties"]["secrets"]["properties"]) == names


def test_default_client_port_is_the_orchestrators() -> None:
    port = values_of(CHART / "values.yaml")["exposure"]["service"]["port"]
    assert port == service_named("orchestrator").port


def test_schema_is_what_the_generator_writes() -> None:
    assert chart_schema.PATH.read_text() == chart_schema.text()


def test_readme_of_the_chart_is_what_the_generator_writes() -> None:
    assert chart_readme.PATH.read_text() == chart_readme.text()
    described = {each.path for each in chart_readme.values((CHART / "values.yaml").read_text())}
    assert {"weights.hub.cache.type", "defaults.gpu.mps", "services.codec"} <= described


def test_schema_offers_the_choices_of_tls_clients() -> None:
    (entry,) = (each for each in fields(OrchestratorOptions) if each.name == "tls_clients")
    choices = SCHEMA["properties"]["tls"]["properties"]["clients"]["enum"]
    assert tuple(choices) == entry.metadata["choices"]


def test_options_in_templates_exist() -> None:
    """Flags that a template writes itself, and options that a template reads."""
    known = {options.flag_of(entry.name) for each in SERVICES for entry in fields(each.options)}
    known |= {options.flag_of(entry.name) for entry in fields(FetchOptions)}
    args = template("barkserve.args") + template("barkserve.fetchContainers")
    written = set(re.findall(r"^ *- (?:\{\{ printf \")?(--[a-z][a-z-]*)", args, re.MULTILINE))
    assert written >= {"--host", "--port", "--tls-clients", "--voice-store", "--stage", "--to"}
    assert written <= known
    read = set(re.findall(r'dig "options" "([a-z-]+)"', TEMPLATES))
    assert {"dtype", "attention", "offload-idle-seconds"} <= read
    assert {f"--{name}" for name in read} <= known


def test_chart_sets_the_options_that_values_do_not_offer() -> None:
    args = template("barkserve.args")
    for name in chart_schema.CHART_SETS:
        assert options.flag_of(name) in args
