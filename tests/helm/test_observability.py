"""Traces on Kubernetes: the values in docs/observability.md."""

from pathlib import Path

import yaml

from barkserve.constants import STAGES
from tests.helm.chart import Release
from tests.support.snippets import snippets

PAGE = Path("docs/observability.md")


def documented() -> dict[str, object]:
    """The values of the page."""
    (values,) = (s.text for s in snippets() if (s.page, s.language) == (str(PAGE), "yaml"))
    parsed: dict[str, object] = yaml.safe_load(values)
    return parsed


def test_every_service_may_reach_the_collector() -> None:
    values = documented()
    release = Release(values)
    for name in ("orchestrator", *STAGES):
        policy = release.one("NetworkPolicy", f"bark-{name}")
        assert values["networkPolicy"]["egress"][0] in policy["spec"]["egress"]
        pod = release.one("Deployment", f"bark-{name}")["spec"]["template"]["spec"]
        arguments = pod["containers"][0]["args"]
        assert "--otlp-endpoint=http://collector.observability:4317" in arguments
        assert "--trace-sample-ratio=0.05" in arguments
