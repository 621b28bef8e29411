"""The chart and the program agree on services, ports, health names and options."""

import argparse
import json
import re
from dataclasses import Field, fields
from typing import Any

import pytest
import yaml

from barkserve import options
from barkserve.config.fetch import FetchOptions
from barkserve.config.orchestrator import OrchestratorOptions
from barkserve.config.process import ProcessOptions, ServiceOptions
from barkserve.config.stages import StageOptions
from barkserve.services import SERVICES, ServiceEntry, callees, service_named
from tests.helm.chart import CHART, VALUES_FILES, Release, values_of

SCHEMA = json.loads((CHART / "values.schema.json").read_text())
DEFINITIONS = SCHEMA["definitions"]
TEMPLATES = "\n".join(path.read_text() for path in sorted(CHART.glob("templates/**/*.*")))

CHART_SETS = {
    "host", "port", "metrics_port", "health_port", "drain_seconds", "checkpoint", "voice_store",
    "tls_cert", "tls_key", "tls_ca", "tls_clients", "certificate_roles",
}  # fmt: skip
"""Options that the chart computes from other values."""

NOT_OFFERED = {"core_share", "cores", "exit_on_stdin_close", "wyoming_host", "wyoming_port"}

STRICTER = {"target_utilization", "assumed_streams", "admission_share"}
"""Options whose lower limit is exclusive: the service checks this itself."""


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


def offered(section: dict[str, Any]) -> set[str]:
    """The options that a section of the values offers, as field names."""
    flags = section["properties"]["options"]["properties"]
    assert all(value == {"$ref": f"#/definitions/option-{flag}"} for flag, value in flags.items())
    return {flag.replace("-", "_") for flag in flags}


def settable(kind: type[Any]) -> set[str]:
    """The options of a service that values may set."""
    names = {entry.name for entry in fields(kind)} - CHART_SETS - NOT_OFFERED
    return names - {callee.name for callee in callees(kind)}


@pytest.mark.parametrize("path", VALUES_FILES, ids=lambda path: path.stem)
def test_services_accept_the_arguments_of_the_chart(path: Any) -> None:
    release = Release(values_of(path))
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
        assert chosen.host == "0.0.0.0"
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


@pytest.mark.parametrize("entry", SERVICES, ids=lambda entry: entry.name)
def test_schema_offers_the_options_of_each_service(entry: ServiceEntry) -> None:
    section = SCHEMA["properties"]["services"]["properties"][entry.name]
    assert offered(section) == settable(entry.options)


@pytest.mark.parametrize(
    ("section", "kind"), [("defaults", ServiceOptions), ("stages", StageOptions)]
)
def test_schema_offers_the_options_of_each_group(section: str, kind: type[Any]) -> None:
    assert offered(SCHEMA["properties"][section]) == settable(kind)


def test_schema_limits_options_as_the_program_does() -> None:
    entries = {
        entry.name: entry
        for service in SERVICES
        for entry in fields(service.options)
        if entry.name in settable(service.options)
    }
    defined = {name for name in DEFINITIONS if name.startswith("option-")}
    assert defined == {f"option-{name.replace('_', '-')}" for name in entries}
    for name, entry in entries.items():
        if name != "device":  # a pattern; the program checks it with PyTorch
            definition = dict(DEFINITIONS[f"option-{name.replace('_', '-')}"])
            if name in STRICTER:
                definition.pop("maximum", None)
                definition["minimum"] = definition.pop("exclusiveMinimum")
            assert definition == _definition(entry), name


def _definition(entry: Field[Any]) -> dict[str, Any]:
    """The schema of an option."""
    if entry.metadata["choices"]:
        return {"enum": list(entry.metadata["choices"])}
    if isinstance(entry.default, str):
        return {"type": "string"}
    if isinstance(entry.default, bool):
        return {"type": "boolean"}
    kind = "integer" if isinstance(entry.default, int) else "number"
    number = {"type": kind, "minimum": int(entry.metadata["least"])}
    return {"anyOf": [number, {"const": "auto"}]} if entry.metadata["auto"] else number


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
    for name in CHART_SETS:
        assert options.flag_of(name) in args
