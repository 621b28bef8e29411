"""The snippets of README.md and docs/: which test executes each, and why some are not executed.

A snippet is a program, a fenced block with a language, or a command, a line of a block without one.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md"))]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)

HERE = "tests/examples/test_snippets.py"
EXECUTED = {  # by page and language ("": commands of barkclient), which test
    ("README.md", "python"): HERE,
    ("README.md", "sh"): HERE,
    ("README.md", ""): HERE,
    ("docs/clients.md", "python"): HERE,
    ("docs/clients.md", ""): HERE,
    ("docs/clients.md", "js"): "tests/node/test_package.py",
    ("docs/clients.md", "json"): "tests/barkclient/test_retry.py",
    ("docs/formats.md", ""): HERE,
    ("docs/http.md", "python"): "tests/gateway/test_docs.py",
    ("docs/http.md", "js"): "tests/gateway/test_docs.py",
    ("docs/http.md", "sh"): "tests/gateway/test_docs.py",
    ("docs/kubernetes.md", ""): HERE,
    ("docs/observability.md", "python"): "tests/tracing/test_application.py",
    ("docs/observability.md", "yaml"): "tests/helm/test_observability.py",
    ("docs/measuring.md", "python"): "tests/barkclient/bench/test_results.py",
    ("docs/operations.md", "nginx"): "tests/proxies/test_proxies.py",
    ("docs/operations.md", "haproxy"): "tests/proxies/test_proxies.py",
    ("docs/operations.md", "ini"): "tests/deploy/test_systemd.py",
    ("docs/languages.md", "go"): "tests/languages/test_documented_programs.py",
    ("docs/languages.md", "java"): "tests/languages/test_documented_programs.py",
    ("docs/samples/README.md", ""): HERE,
    ("docs/tenants.md", "toml"): "tests/serving/auth/test_token_file.py",
    ("docs/upgrades.md", ""): "tests/dashboards/test_pages.py",
    ("docs/text.md", "toml"): "tests/orchestrator/text/test_lexicon.py",
    ("docs/security.md", "toml"): "tests/serving/auth/test_token_file.py",
    ("docs/voices.md", ""): HERE,
}
PAGES_TEST = "tests/dashboards/test_pages.py runs it as a process"
RUNS_UNTIL_STOPPED = "runs until it is stopped; the tests start their services so"
CLUSTER = "needs a cluster; make test-kubernetes installs the chart on a control plane"
FRAMEWORK = "a part of a program; make test-apps runs the framework's own pipeline"
DOCKER = "needs Docker; CI starts compose.yaml, and tests/deploy checks its options"
SYSTEMD = "needs root and a running systemd; tests/deploy/test_systemd.py verifies the unit"
HALF_AN_HOUR = "measures for half an hour"
MEASURES = "measures for minutes; tests/barkclient/bench runs the command for seconds"
MEASURES_DEVICE = "measures a device, or simulates, for minutes"
NO_PROXY = "needs the module proxy; tests/languages/test_go.py runs barksay from its source"
BUILDS_NODE_CLIENT = "installs a compiler; make test-clients does, and tests/node run the command"
NO_TOOLCHAIN = "has not been run, as the page says: its packages are not on PyPI, npm or Debian 12"
NOT_EXECUTED = {  # by page and the beginning of the snippet, the reason
    ("README.md", "make demo"): "installs everything; tests/test_demo.py runs it with a stand-in",
    ("README.md", "git clone"): "the address of the published repository",
    ("README.md", ".venv/bin/barkserve up"): RUNS_UNTIL_STOPPED,
    ("README.md", "make image"): "builds an image; make test-image does",
    ("README.md", "barkserve up  "): RUNS_UNTIL_STOPPED,
    ("README.md", "barkserve up --checkpoint suno/"): "needs a GPU and Suno's weights",
    ("README.md", "barkclient bench"): MEASURES,
    ("README.md", "helm"): CLUSTER,
    ("docs/clients.md", "import barkclient.integrations.pipecat"): FRAMEWORK,
    ("docs/clients.md", "import barkclient.integrations.livekit"): FRAMEWORK,
    ("docs/clients.md", "npm"): BUILDS_NODE_CLIENT,
    ("docs/clients.md", "node clients/node"): BUILDS_NODE_CLIENT,
    ("docs/clients.md", "grpcurl"): "grpcurl is not a Python package; tests/serving use reflection",
    ("docs/http.md", "from livekit"): FRAMEWORK,
    ("docs/http.md", "from pipecat"): FRAMEWORK,
    ("docs/http.md", "barkserve up"): RUNS_UNTIL_STOPPED,
    ("docs/http.md", "barkserve gateway"): RUNS_UNTIL_STOPPED,
    ("docs/kubernetes.md", "make image"): "builds an image; make test-image does",
    ("docs/kubernetes.md", "make weights"): "builds images; make test-image does",
    ("docs/kubernetes.md", "for service in"): "pushes images",
    ("docs/kubernetes.md", "kind"): CLUSTER,
    ("docs/kubernetes.md", "helm"): CLUSTER,
    ("docs/kubernetes.md", "kubectl"): CLUSTER,
    ("docs/kubernetes.md", "barkclient bench"): MEASURES,
    ("docs/kubernetes.md", "barkclient status --scaling"): CLUSTER,
    ("docs/languages.md", "cd protos && buf generate"): "plugins on buf.build; "
    "tests/languages/test_generation.py uses local ones",
    ("docs/languages.md", "go get"): NO_PROXY,
    ("docs/languages.md", "go run"): NO_PROXY,
    ("docs/languages.md", "fn main()"): NO_TOOLCHAIN,
    ("docs/languages.md", "use std::io"): NO_TOOLCHAIN,
    ("docs/languages.md", "<ItemGroup>"): NO_TOOLCHAIN,
    ("docs/languages.md", "using Barkserve"): NO_TOOLCHAIN,
    ("docs/languages.md", "import Foundation"): NO_TOOLCHAIN,
    ("docs/measuring.md", "barkclient bench"): MEASURES,
    ("docs/sizing.md", "barkclient plan"): "simulates for minutes; tests/simulation/test_plan.py",
    ("docs/sizing.md", "python -m benchmarks.plan"): MEASURES_DEVICE,
    ("docs/observability.md", '{"time"'): "a line of a log",
    ("docs/operations.md", "barkserve"): RUNS_UNTIL_STOPPED,
    ("docs/operations.md", "capacity ="): "a formula",
    ("docs/operations.md", "docker"): DOCKER,
    ("docs/operations.md", "mkdir tokens"): DOCKER,
    ("docs/operations.md", "SITE=speech.example.org BARKSERVE_"): DOCKER,
    ("docs/operations.md", "SITE=speech.example.org HTTP_"): "tests/deploy/test_caddy.py does",
    ("docs/operations.md", "python3 -m venv"): SYSTEMD,
    ("docs/operations.md", "/opt/barkserve"): SYSTEMD,
    ("docs/operations.md", "install -m"): SYSTEMD,
    ("docs/operations.md", "systemctl"): SYSTEMD,
    ("docs/operations.md", "journalctl"): SYSTEMD,
    ("docs/reliability.md", "make chaos"): HALF_AN_HOUR,
    ("docs/reliability.md", "make soak"): HALF_AN_HOUR,
    ("docs/security.md", "barkserve orchestrator"): RUNS_UNTIL_STOPPED,
    ("docs/tenants.md", "barkserve"): PAGES_TEST,
    ("docs/upgrades.md", "barkserve"): PAGES_TEST,
    ("docs/upgrades.md", "HTTP_UPSTREAM"): "needs a running Caddy",
    ("docs/operations.md", "MONITORED"): DOCKER,
    ("docs/security.md", '{"event"'): "lines of a log",
}


@dataclass(frozen=True)
class Snippet:
    """A program or a command.

    Attributes:
        page: its path in the repository.
        language: of the block; empty for a command.
        text: the program, or the command on one line with its comment.
    """

    page: str
    language: str
    text: str

    @property
    def excuse(self) -> tuple[str, str] | None:
        """The entry of NOT_EXECUTED that covers it, if any."""
        entries = (entry for entry in NOT_EXECUTED if entry[0] == self.page)
        return next((entry for entry in entries if self.text.startswith(entry[1])), None)

    @property
    def test(self) -> str | None:
        """The test that executes it."""
        return None if self.excuse else EXECUTED.get((self.page, self.language))


def snippets() -> Iterator[Snippet]:
    """All snippets, page by page."""
    for page in PAGES:
        name = str(page.relative_to(ROOT))
        for language, text in BLOCK.findall(page.read_text()):
            if language:
                yield Snippet(name, language, text)
                continue
            for line in text.replace("\\\n", " ").splitlines():
                if line.strip():
                    yield Snippet(name, "", line)
