"""Every panel shows data: a real Prometheus scrapes real services that speak under load.

No GPU is needed: an exporter with the GPU's metrics runs in the test. Grafana does not run here.
Its panels are drawn from what Prometheus answers (`make test-dashboards PICTURE=FILE.png`).
"""

import math
import os
import re
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest

from barkserve.building.stage_metrics import watch_gpu
from barkserve.constants import STAGES
from barkserve.serving.metrics import Metrics
from fixtures.processes import free_port
from tests.dashboards.boards import Query, queries
from tests.dashboards.picture import Curves, draw
from tests.dashboards.prometheus import Prometheus, prometheus_program, running_prometheus
from tests.doctor.test_doctor import free_block
from tests.system.test_end_to_end import Up, command, run, start_up, wait_until_gone

WITH_SLOTS = ("semantic", "coarse")
TOKEN_PANELS = ("Slots of the key/value cache", "Step")
RATE = "15s"
MOST_STREAMS = 6

pytestmark = pytest.mark.skipif(
    prometheus_program() is None, reason="make test-dashboards fetches Prometheus"
)


@dataclass(frozen=True)
class Loaded:
    """A Prometheus that has seen a load.

    Attributes:
        prometheus: the Prometheus.
        start: when the load began, in seconds since 1970.
        end: when it ended.
    """

    prometheus: Prometheus
    start: float
    end: float

    def curves(self, expression: str, legend: str) -> Curves:
        """The curves of an expression without Grafana's variables, in seconds since the start."""
        found = []
        for series in self.prometheus.curves(expression, self.start, self.end):
            name = named(legend, series["metric"])
            points = [(at - self.start, float(value)) for at, value in series["values"]]
            points = [point for point in points if math.isfinite(point[1])]
            if points:
                seconds, values = map(list, zip(*points, strict=True))
                found.append((name.replace("__auto", ""), seconds, values))
        return found


def named(legend: str, labels: Mapping[str, str]) -> str:
    """The name of a series: the legend with the values of its labels."""
    return re.sub(r"\{\{(\w+)\}\}", lambda match: labels.get(match[1], ""), legend)


@contextmanager
def gpu_exporter(port: int) -> Iterator[None]:
    """Export the metrics of a stage on a GPU that offloads its model."""
    gib = 1 << 30
    nvml = SimpleNamespace(
        nvmlDeviceGetHandleByUUID=lambda uuid: uuid,
        nvmlDeviceGetMemoryInfo=lambda _: SimpleNamespace(used=35 * gib, total=141 * gib),
        nvmlDeviceGetUtilizationRates=lambda _: SimpleNamespace(gpu=60),
    )
    metrics = Metrics("fine")
    watch_gpu(metrics, "GPU-1", nvml)
    metrics.watch("barkserve_weights_resident", lambda: 1)
    metrics.watch("barkserve_offload_freed_bytes", lambda: 3 * gib)
    metrics.watch("barkserve_offload_reload_seconds", lambda: 0.8)
    stop = metrics.serve("127.0.0.1", port)
    try:
        yield
    finally:
        stop()


@contextmanager
def autoscaler(up: Up, metrics_port: int, first_port: int) -> Iterator[None]:
    """Run an autoscaler for the services of `barkserve up`."""
    names = ("orchestrator", *STAGES)
    flags = [f"--{name}=127.0.0.1:{first_port + index}" for index, name in enumerate(names)]
    words = command("barkserve", "autoscaler", "--port=0", f"--metrics-port={metrics_port}", *flags)
    with subprocess.Popen(words, stderr=subprocess.DEVNULL) as process:
        try:
            yield
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loaded]:
    folder = tmp_path_factory.mktemp("prometheus")
    first, metrics_first = free_block(1 + len(STAGES)), free_block(2 + len(STAGES))
    scaler, gpu = free_port(), free_port()
    ports = {"port": first, "metrics-port": metrics_first, "http-port": free_block(1)}
    with ExitStack() as stack:
        limits = {"max-streams": MOST_STREAMS}
        up = start_up(Path(), checkpoint="", threads=0, **limits, **ports)
        stack.callback(wait_until_gone, up.services)
        stack.callback(up.rest_of_stderr)
        stack.callback(up.process.terminate)
        stack.enter_context(autoscaler(up, scaler, first))
        stack.enter_context(gpu_exporter(gpu))
        scraped = [*range(metrics_first, metrics_first + 2 + len(STAGES)), scaler, gpu]
        prometheus = stack.enter_context(running_prometheus(folder, scraped))
        start = time.time()
        bench = command("barkclient", "bench", f"--server={up.address}", "--concurrency=2,12")
        done = run([*bench, "--duration=20", "--warmup=1"])
        assert done.returncode == 0, done.stderr
        time.sleep(3)  # three scrapes
        yield Loaded(prometheus, start, time.time())


@pytest.mark.parametrize("query", list(queries()), ids=lambda each: f"{each.board}: {each.panel}")
def test_panel_shows_data(query: Query, loaded: Loaded) -> None:
    stages = STAGES if "$stage" in query.expression else STAGES[:1]
    for stage in stages:
        if query.panel in TOKEN_PANELS and stage not in WITH_SLOTS:
            continue
        expression = query.filled(stage, RATE)
        assert loaded.curves(expression, query.legend), (stage, expression)


def test_figures_of_the_panels_fit_the_load(loaded: Loaded) -> None:
    """Of twelve streams at once, six at most are spoken and the others refused."""
    streams = loaded.curves('sum(barkserve_streams{stage="orchestrator"})', "")
    (_, _, values) = streams[0]
    assert 1 <= max(values) <= MOST_STREAMS
    refused = loaded.curves("sum by (reason) (barkserve_admission_refusals_total)", "{{reason}}")
    assert [name for name, _, values in refused if values[-1]]
    spoken = loaded.curves('sum by (outcome) (barkserve_requests_total{stage="orchestrator"})', "")
    assert sum(values[-1] for _, _, values in spoken) > 5
    replicas = loaded.curves("barkserve:replicas:count", "{{stage}}")
    assert {name: values[-1] for name, _, values in replicas if name in STAGES} == {
        **dict.fromkeys(STAGES, 1),
        "fine": 2,  # one is the exporter of the test
    }


def test_alerts_are_loaded_and_none_is_critical(loaded: Loaded) -> None:
    groups = loaded.prometheus.get("rules")["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert len(rules) > 25
    assert {rule["health"] for rule in rules} == {"ok"}
    firing = {rule["name"] for rule in rules if rule.get("state") == "firing"}
    assert not firing & {"BarkserveServiceMissing", "BarkserveRequestsFail"}


@pytest.mark.skipif(not os.environ.get("PICTURE"), reason="PICTURE=FILE.png draws the overview")
@pytest.mark.parametrize("board", ["overview"])
def test_picture_is_drawn(board: str, loaded: Loaded) -> None:
    file = Path(os.environ["PICTURE"])

    def curves_of(expression: str, legend: str) -> Curves:
        filled = Query(board, "", expression, legend, "", False).filled("coarse", RATE)
        return loaded.curves(filled, legend)

    draw(board, curves_of, file)
    assert file.stat().st_size > 10_000
