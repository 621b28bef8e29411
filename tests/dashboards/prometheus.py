"""A real Prometheus that scrapes services on this machine."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import urlopen

import yaml

from fixtures.processes import free_port
from tests.alerts.test_alerts import RULES

CONFIG = Path(__file__).parents[2] / "deploy/prometheus.yaml"
STEP_S = 1


def prometheus_program() -> str | None:
    """Find the program; `make test-dashboards` fetches it."""
    folder = Path(os.environ.get("PROMETHEUS", ".")).resolve() / "usr/bin"
    return shutil.which("prometheus", path=f"{folder}{os.pathsep}{os.environ['PATH']}")


@dataclass(frozen=True)
class Prometheus:
    """A running Prometheus.

    Attributes:
        url: its address.
    """

    url: str

    def get(self, path: str, **parameters: object) -> Any:
        """Call its HTTP API; returns `data` of the answer."""
        with urlopen(f"{self.url}/api/v1/{path}?{urlencode(parameters)}", timeout=60) as response:
            answer = json.load(response)
        assert answer["status"] == "success", answer
        return answer["data"]

    def curves(self, expression: str, start: float, end: float) -> list[dict[str, Any]]:
        """The series of an expression, each with a list of (time, value)."""
        found = self.get("query_range", query=expression, start=start, end=end, step=STEP_S)
        return list(found["result"])

    def up(self) -> set[str]:
        """The addresses that it has scraped."""
        found = self.get("query", query="up == 1")["result"]
        return {each["metric"]["instance"] for each in found}


@contextmanager
def running_prometheus(folder: Path, ports: Sequence[int]) -> Iterator[Prometheus]:
    """Run Prometheus with the configuration of deploy/ and the rules of the chart.

    It scrapes these ports instead of the usual ones, and more often.
    """
    config = yaml.safe_load(CONFIG.read_text())
    config["global"] = {"scrape_interval": f"{STEP_S}s", "evaluation_interval": f"{STEP_S}s"}
    targets = [f"127.0.0.1:{port}" for port in ports]
    config["scrape_configs"][0]["static_configs"] = [{"targets": targets}]
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(config))
    shutil.copy(RULES, folder)
    address = f"127.0.0.1:{free_port()}"
    words = (
        f"--config.file={folder}/prometheus.yaml",
        f"--storage.tsdb.path={folder}/data",
        f"--web.listen-address={address}",
    )
    with (folder / "prometheus.log").open("w") as log:
        process = subprocess.Popen([str(prometheus_program()), *words], stderr=log)
        try:
            found = Prometheus(f"http://{address}")
            _wait(process, found, set(targets))
            yield found
        finally:
            process.terminate()
            process.wait()


def _wait(process: "subprocess.Popen[bytes]", found: Prometheus, targets: set[str]) -> None:
    """Wait until every target was scraped; the timeout of the test limits it."""
    while True:
        assert process.poll() is None, "Prometheus ended: see prometheus.log"
        try:
            if found.up() == targets:
                return
        except URLError:
            pass  # it starts
        time.sleep(0.2)
