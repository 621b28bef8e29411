"""autoscaling.mode hpa: the real HPA controller scales a stage by its own metric.

KEDA cannot run here; tests/autoscaler tests its contract.
"""

import asyncio
import base64
import contextlib
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest
import yaml

from barkserve.constants import STAGES
from barkserve.v1 import speech_pb2, speech_pb2_grpc
from fixtures.checkpoints import TINY, CheckpointSpec, never_ending
from fixtures.processes import free_port
from tests.kubernetes.control_plane import TOKEN, ControlPlane
from tests.kubernetes.kubelet import PROGRAM
from tests.kubernetes.metrics_adapter import GROUP
from tests.kubernetes.release import InstalledRelease, namespace
from tests.support.certificates import Authority

SPEC = replace(never_ending(TINY), max_new_tokens=700, block_size=1024)
STREAMS = 3


@pytest.fixture
def release(
    plane: ControlPlane, checkpoint_of: Callable[[CheckpointSpec], Path], tmp_path: Path
) -> Iterator[InstalledRelease]:
    _serve_metrics(plane, tmp_path)
    with namespace(plane, "scaling", tmp_path) as found:
        found.install(_values(checkpoint_of(SPEC)))
        for service in (*STAGES, "orchestrator"):
            found.until(lambda s=service: found.ready(s) == 1, f"{service} is not ready")
        yield found


async def test_hpa_scales_up_at_once_and_down_step_by_step(
    release: InstalledRelease,
) -> None:
    wanted: list[int] = []
    watching = asyncio.create_task(_watch(release, wanted))
    try:
        await _until(release, lambda: _hpa(release)["status"].get("currentMetrics"), "no metric")
        async with AsyncExitStack() as stack:
            await asyncio.gather(*(_start(release, seed, stack) for seed in range(STREAMS)))
            await _until(release, lambda: release.ready("coarse") == STREAMS, "not scaled up")
        await _until(release, lambda: wanted[-1] == 1, "not scaled down")
    finally:
        watching.cancel()
    top = wanted.index(STREAMS)
    assert wanted[: top + 1] == sorted(wanted[: top + 1])
    assert wanted[top:] == [3, 2, 1]


def _values(checkpoint: Path) -> dict[str, Any]:
    return {
        "image": {"repository": PROGRAM},
        "defaults": {"extraArgs": [f"--checkpoint={checkpoint}"], "preStopSeconds": 1},
        "autoscaling": {
            "mode": "hpa",
            "scaleDown": {"stabilizationSeconds": 5, "periodSeconds": 10},
        },
        "metrics": {"monitor": "pod"},
        "services": {
            "coarse": {"autoscaling": {"targetStreams": 1, "maxReplicas": 5}},
            **{name: {"autoscaling": {"enabled": False}} for name in ("semantic", "fine", "codec")},
            "orchestrator": {"autoscaling": {"enabled": False}, "options": {"admission": "count"}},
            "gateway": {"enabled": False},
        },
    }


def _serve_metrics(plane: ControlPlane, folder: Path) -> None:
    """Run the metrics adapter and register it with the API server."""
    authority = Authority(folder / "adapter")
    files, port = authority.issue("adapter", "adapter.default.svc"), free_port()
    words = (plane.url, plane.ca, TOKEN, str(port), files.certificate, files.key)
    plane.run_module("metrics_adapter", *words)
    _wait_for(port)
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "adapter", "namespace": "default"},
        "spec": {"type": "ExternalName", "externalName": "localhost"},
    }
    registration = {
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": {"name": f"v1beta1.{GROUP}"},
        "spec": {
            "group": GROUP,
            "version": "v1beta1",
            "service": {"name": "adapter", "namespace": "default", "port": port},
            "caBundle": base64.b64encode(Path(files.ca).read_bytes()).decode(),
            "groupPriorityMinimum": 100,
            "versionPriority": 100,
        },
    }
    path = folder / "adapter.yaml"
    path.write_text(yaml.safe_dump_all([service, registration]))
    done = plane.command("kubectl", "create", "--validate=false", "--filename", str(path))
    assert done.returncode == 0, done.stderr


def _wait_for(port: int) -> None:
    for _ in range(300):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.1)
    raise AssertionError("the adapter does not listen")


async def _start(release: InstalledRelease, seed: int, stack: AsyncExitStack) -> None:
    """Start a stream and stop reading after its first audio; the stack cancels it."""
    (pod,) = release.pods("orchestrator").values()
    channel = grpc.aio.insecure_channel(f"{pod['status']['podIP']}:50051")
    await stack.enter_async_context(channel)
    request = speech_pb2.SynthesizeRequest(text="hello the world. " * 20, seed=seed)
    call = speech_pb2_grpc.SpeechServiceStub(channel).Synthesize(request)
    stack.callback(call.cancel)
    async for response in call:
        if response.audio.audio:
            return


async def _watch(release: InstalledRelease, wanted: list[int]) -> None:
    """Record each change of the number of replicas that the controller sets."""
    while True:
        deployment = await asyncio.to_thread(release.one, "deployment", "bark-coarse")
        replicas = deployment["spec"]["replicas"]
        if wanted[-1:] != [replicas]:
            wanted.append(replicas)
        await asyncio.sleep(0.3)


async def _until(release: InstalledRelease, condition: Callable[[], Any], what: str) -> None:
    await asyncio.to_thread(release.until, condition, what)


def _hpa(release: InstalledRelease) -> dict[str, Any]:
    return release.one("horizontalpodautoscalers.v2.autoscaling", "bark-coarse")
