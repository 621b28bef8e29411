"""A simulated cluster: processes as pods, their EndpointSlices, and an HPA that KEDA feeds."""

import asyncio
import json
import os
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2

from barkserve.constants import STAGES
from barkserve.serving.health import health_check
from barkserve.simulation.hpa import HorizontalPodAutoscaler, ScalingBehavior
from fixtures.keda_client import Keda
from fixtures.kubernetes_api import ApiServer, endpoint
from fixtures.processes import free_port

SYNC_S = 2.0  # Kubernetes: 15 s
STABILIZATION_S = 10.0  # Kubernetes: 300 s
MAX_REPLICAS = 12
BEHAVIOR = ScalingBehavior(
    sync_s=SYNC_S, up_pods=MAX_REPLICAS, down_pods=MAX_REPLICAS, stabilization_s=STABILIZATION_S
)
NAMESPACE = "speech"


@dataclass(eq=False)
class Pod:
    """One replica's process."""

    process: asyncio.subprocess.Process
    port: int
    name: str


@dataclass
class Workload:
    """One stage's replicas."""

    stage: str
    pods: list[Pod] = field(default_factory=list)  # ready ones, oldest first
    starting: int = 0
    draining: int = 0
    hpa: HorizontalPodAutoscaler = field(
        default_factory=lambda: HorizontalPodAutoscaler(BEHAVIOR, 0, MAX_REPLICAS)
    )


class Cluster:
    """The API server, the services and the replicas of each stage.

    Args:
        folder: folder for the kubeconfig.
        checkpoint: checkpoint folder of all services.
    """

    def __init__(self, folder: Path, checkpoint: Path) -> None:
        self.api = ApiServer()
        self.workloads: dict[str, Workload] = {stage: Workload(stage) for stage in STAGES}
        self.exit_codes: list[int] = []
        self._checkpoint = checkpoint
        self._kubeconfig = folder / "kubeconfig"
        self._tasks: set[asyncio.Task[None]] = set()
        self._others: list[asyncio.subprocess.Process] = []
        self._count = 0

    async def start(self) -> tuple[str, str]:
        """Start the API server, the orchestrator and the autoscaler, but no stage yet.

        Returns:
            The addresses of the orchestrator and of the autoscaler.
        """
        await self.api.start()
        self._kubeconfig.write_text(json.dumps(_kubeconfig(self.api.url)))
        pools = [f"--{stage}=kubernetes:bark-{stage}.{NAMESPACE}" for stage in STAGES]
        orchestrator, autoscaler = (f"127.0.0.1:{free_port()}" for _ in range(2))
        wait = "--replica-wait-seconds=30"
        count = "--admission=count"  # the clients do not call again when they are refused
        await self._service("orchestrator", orchestrator, *pools, wait, count, self._flag())
        target = f"--orchestrator={orchestrator}"
        await self._service("autoscaler", autoscaler, *pools, target, "--idle-seconds=10")
        return orchestrator, autoscaler

    def count(self, stage: str) -> int:
        """Return the number of ready replicas of a stage."""
        return len(self.workloads[stage].pods)

    async def scale(self, autoscaler: str) -> None:
        """Run the HPAs of all stages until cancelled."""
        async with grpc.aio.insecure_channel(autoscaler) as channel:
            kedas = {stage: Keda(channel, stage) for stage in STAGES}
            while True:
                for stage, keda in kedas.items():
                    replicas = await self._recommend(self.workloads[stage], keda)
                    self._resize(self.workloads[stage], replicas)
                await asyncio.sleep(SYNC_S)

    async def stop(self) -> None:
        """Stop all processes."""
        for workload in self.workloads.values():
            self._resize(workload, 0)
        await asyncio.gather(*self._tasks)
        for process in self._others:
            process.terminate()
            await process.wait()
        await self.api.stop()

    async def _recommend(self, workload: Workload, keda: Keda) -> int:
        """Decide as Kubernetes does, from what KEDA asks the autoscaler."""
        metric, target = await keda.target()
        value = await keda.value(metric)
        current = len(workload.pods) + workload.starting
        active = await keda.is_active()
        return workload.hpa.replicas(time.monotonic(), value / target, current, active=active)

    def _resize(self, workload: Workload, replicas: int) -> None:
        for _ in range(replicas - len(workload.pods) - workload.starting):
            workload.starting += 1
            self._spawn(self._start_pod(workload))
        while len(workload.pods) > replicas:
            workload.draining += 1
            self._spawn(self._stop_pod(workload, workload.pods.pop()))

    async def _start_pod(self, workload: Workload) -> None:
        self._count += 1
        port, name = free_port(), f"{workload.stage}-{self._count}"
        arguments = ("-m", "benchmarks.scaling.stage", workload.stage, f"--port={port}")
        process = await asyncio.create_subprocess_exec(
            sys.executable, *arguments, self._flag(), stdin=asyncio.subprocess.PIPE
        )
        await healthy(f"127.0.0.1:{port}", process)
        workload.starting -= 1
        workload.pods.append(Pod(process, port, name))
        self.api.put(name, port, endpoint("127.0.0.1", ready=True), service=_service(workload))

    async def _stop_pod(self, workload: Workload, pod: Pod) -> None:
        draining = endpoint("127.0.0.1", ready=False, serving=True, terminating=True)
        self.api.put(pod.name, pod.port, draining, service=_service(workload))
        await asyncio.sleep(0.5)  # preStop
        pod.process.terminate()
        self.exit_codes.append(await pod.process.wait())
        self.api.delete(pod.name)
        workload.draining -= 1

    async def _service(self, name: str, address: str, *flags: str) -> None:
        port = address.rpartition(":")[2]
        arguments = ("-m", "barkserve", name, f"--port={port}", "--metrics-port=0", *flags)
        environment = os.environ | {"KUBECONFIG": str(self._kubeconfig)}
        process = await asyncio.create_subprocess_exec(
            sys.executable, *arguments, "--log-level=error", env=environment
        )
        self._others.append(process)
        await healthy(address, process)

    def _flag(self) -> str:
        return f"--checkpoint={self._checkpoint}"

    def _spawn(self, work: "asyncio.Future[None] | object") -> None:
        task: asyncio.Task[None] = asyncio.ensure_future(work)  # type: ignore[arg-type]
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _service(workload: Workload) -> str:
    return f"bark-{workload.stage}"


async def healthy(address: str, process: asyncio.subprocess.Process) -> None:
    """Wait until a service answers. Raises RuntimeError if its process ends before."""
    async with grpc.aio.insecure_channel(address) as channel:
        check = health_check(channel)
        while process.returncode is None:
            with suppress(grpc.aio.AioRpcError):
                await check(health_pb2.HealthCheckRequest(), timeout=1)
                return
            await asyncio.sleep(0.1)
    raise RuntimeError(f"the service at {address} exited with {process.returncode}")


def _kubeconfig(url: str) -> Mapping[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "harness", "cluster": {"server": url}}],
        "users": [{"name": "harness", "user": {}}],
        "contexts": [{"name": "harness", "context": {"cluster": "harness", "user": "harness"}}],
        "current-context": "harness",
    }
