"""Chart and program agree: every word that the chart says is one that `barkserve` understands."""

import argparse
import json
from typing import Any

import pytest

from barkserve import config, options
from tests.helm.chart import CHART, VALUES_FILES, Release, values_of

_OPTIONS: dict[str, type[Any]] = {
    "orchestrator": config.OrchestratorOptions,
    "semantic": config.SemanticOptions,
    "coarse": config.CoarseOptions,
    "fine": config.FineOptions,
    "codec": config.CodecOptions,
    "autoscaler": config.AutoscalerOptions,
}


def _parsed(kind: type[Any], words: list[str]) -> Any:
    parser = argparse.ArgumentParser(exit_on_error=False)
    options.add_options(parser, kind)
    return options.read_options(kind, parser.parse_args(words), {})


@pytest.mark.parametrize("path", VALUES_FILES, ids=lambda path: path.stem)
def test_the_program_takes_what_the_chart_says(path: Any) -> None:
    release = Release(values_of(path))
    for name in release.all("Deployment"):
        service = name.removeprefix("bark-")
        container = release.container(service)
        command, *words = container["args"]
        assert command == service
        options = _parsed(_OPTIONS[service], words)
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        assert options.port == ports["grpc"] == config.PORTS[service]
        assert options.metrics_port == ports["metrics"] == config.METRICS_PORTS[service]
        assert options.host == "0.0.0.0"
        for fetch in release.pod(service).get("initContainers", []):
            command, *words = fetch["args"]
            assert command == "fetch"
            fetched = _parsed(config.FetchOptions, words)
            assert (fetched.stage, fetched.to) == (service, options.checkpoint)


def test_the_schema_offers_only_options_that_there_are() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    for service, kind in _OPTIONS.items():
        offered = schema["properties"]["services"]["properties"][service]
        for option in offered["properties"]["options"]["properties"]:
            assert hasattr(kind, option.replace("-", "_")), f"services.{service}.options.{option}"
