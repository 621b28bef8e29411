"""Streams continue while the cluster changes: real services, API server and discovery."""

import asyncio
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from barkserve.constants import STAGES
from barkserve.v1.status_pb2 import ReplicaStatus
from fixtures.checkpoints import TINY, CheckpointSpec, never_ending
from tests.kubernetes.api_client import ApiError
from tests.kubernetes.control_plane import ControlPlane
from tests.kubernetes.kubelet import PROGRAM
from tests.kubernetes.release import InstalledRelease, namespace
from tests.kubernetes.stream_load import StreamLoad, open_context, streaming

SPEC = replace(never_ending(TINY), max_new_tokens=700, block_size=1024)


def values(checkpoint: Path) -> dict[str, Any]:
    """Return values for one replica of each service of this checkout."""
    words = [f"--checkpoint={checkpoint}"]
    return {
        "image": {"repository": PROGRAM},
        "defaults": {"extraArgs": words, "preStopSeconds": 1, "drainSeconds": 40},
        "services": {
            # Not by the measured speed, which is that of this machine.
            "orchestrator": {"options": {"replica-wait-seconds": 60, "admission": "count"}},
            "gateway": {"extraArgs": []},
        },
    }


@pytest.fixture(scope="module")
def release(
    plane: ControlPlane,
    checkpoint_of: Callable[[CheckpointSpec], Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[InstalledRelease]:
    with namespace(plane, "speech", tmp_path_factory.mktemp("speech")) as found:
        found.install(values(checkpoint_of(SPEC)))
        for service in (*STAGES, "orchestrator", "gateway"):
            found.until(lambda s=service: found.ready(s) == 1, f"{service} is not ready")
        yield found


async def test_streams_continue_while_a_stage_is_scaled(release: InstalledRelease) -> None:
    async with streaming(_orchestrator(release)) as load:
        await _scale(release, load, "coarse", 2)
        await _scale(release, load, "coarse", 1)
        await load.progress()
    assert _exit_codes(release) == {0}


async def test_gateway_speaks_through_the_orchestrator(release: InstalledRelease) -> None:
    (pod,) = release.pods("gateway").values()
    speech = {"input": "Hello.", "voice": "none", "response_format": "pcm"}
    url = f"http://{pod['status']['podIP']}:8080/v1/audio/speech"
    async with (
        httpx.AsyncClient(timeout=60) as http,
        http.stream("POST", url, json=speech) as answer,
    ):
        assert answer.status_code == 200
        assert await anext(answer.aiter_bytes())


async def test_draining_pod_gets_no_new_streams(
    release: InstalledRelease,
) -> None:
    async with streaming(_orchestrator(release)) as load:
        (name,) = release.pods("coarse")
        old = release.one("pod", name)["status"]["podIP"] + ":50053"
        await asyncio.to_thread(release.kubectl, "delete", "pod", name, "--wait=false")
        await load.until(
            "coarse", lambda seen: _states(seen).get(old) == ReplicaStatus.STATE_DRAINING
        )
        await load.until("coarse", lambda seen: old not in _states(seen) and len(seen) == 1)
        await load.progress()
    assert name not in release.pods("coarse")
    assert _exit_codes(release) == {0}


async def test_streams_continue_without_the_api_server(
    release: InstalledRelease, plane: ControlPlane
) -> None:
    async with streaming(_orchestrator(release)) as load:
        plane.kill_api()
        known = _states(await load.replicas("coarse"))
        await load.progress()
        assert await load.speak(seed=7) > 0  # new streams start without it
        assert _states(await load.replicas("coarse")).keys() == known.keys()
        await asyncio.to_thread(plane.start_api)
        await _scale(release, load, "coarse", 2)
        await _scale(release, load, "coarse", 1)


async def test_discovery_lists_again_after_a_compaction(
    release: InstalledRelease, plane: ControlPlane
) -> None:
    async with streaming(_orchestrator(release)) as load:
        plane.kill_api()
        plane.forget()
        await asyncio.to_thread(plane.start_api)
        await _scale(release, load, "coarse", 2)
        await _scale(release, load, "coarse", 1)
        (orchestrator,) = release.pods("orchestrator")
        assert "no longer has the last version, listing again" in plane.log(orchestrator)


async def test_eviction_beyond_the_budget_is_refused(release: InstalledRelease) -> None:
    async with streaming(_orchestrator(release)) as load:
        await _scale(release, load, "fine", 2)
        first, second = release.pods("fine")
        release.until(
            lambda: release.one("pdb", "bark-fine")["status"]["disruptionsAllowed"], "pdb"
        )
        assert await _evict(release, first) == ""
        refusal = await _evict(release, second)
        assert refusal.startswith("429")
        assert "would violate the pod's disruption budget" in refusal
        await load.until("fine", lambda seen: _ready(seen) == 2)
        await _scale(release, load, "fine", 1)


async def test_rollout_of_all_stages_fails_no_stream(
    release: InstalledRelease, plane: ControlPlane
) -> None:
    before = {stage: set(release.pods(stage)) for stage in STAGES}
    (codec,) = before["codec"]
    async with streaming(_orchestrator(release)) as load:
        names = [f"deployment/bark-{stage}" for stage in STAGES]
        async with open_context(_orchestrator(release)):  # keeps one call of the codec open
            await asyncio.to_thread(release.kubectl, "rollout", "restart", *names)
            is_draining = lambda: _streams_left(plane.log(codec))  # noqa: E731
            await asyncio.to_thread(release.until, is_draining, "the codec's pod does not drain")
        for name in names:
            status = ("rollout", "status", name, "--timeout=180s")
            await asyncio.to_thread(release.kubectl, *status)
        for stage in STAGES:
            await load.until(stage, lambda seen: len(seen) == _ready(seen) == 1)
        await load.progress()
    for stage in STAGES:
        assert not before[stage] & set(release.pods(stage))
    old = set().union(*before.values())
    assert all(_streams_left(plane.log(pod)) is not None for pod in old)
    assert _exit_codes(release) == {0}, "a pod was killed before its streams ended"


def _orchestrator(release: InstalledRelease) -> str:
    (pod,) = release.pods("orchestrator").values()
    return f"{pod['status']['podIP']}:50051"


async def _scale(release: InstalledRelease, load: StreamLoad, stage: str, replicas: int) -> None:
    """Scale a stage, and wait until the orchestrator knows the new replicas."""
    words = ("scale", f"deployment/bark-{stage}", f"--replicas={replicas}")
    await asyncio.to_thread(release.kubectl, *words)
    await load.until(stage, lambda seen: len(seen) == _ready(seen) == replicas)


async def _evict(release: InstalledRelease, pod: str) -> str:
    """Evict a pod as `kubectl drain` does; return the reason of a refusal, or ""."""
    body = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": pod, "namespace": release.namespace},
    }
    path = f"/api/v1/namespaces/{release.namespace}/pods/{pod}/eviction"
    async with release.plane.api() as api:
        try:
            await api.post(path, body)
        except ApiError as error:
            return str(error)
    return ""


def _states(seen: list[ReplicaStatus]) -> dict[str, int]:
    return {each.address: each.state for each in seen}


def _ready(seen: list[ReplicaStatus]) -> int:
    """Return the number of ready replicas."""
    return sum(each.state == ReplicaStatus.STATE_READY for each in seen)


def _exit_codes(release: InstalledRelease) -> set[int]:
    events = release.objects("events", "--field-selector=reason=Stopped")
    return {int(each["message"]) for each in events}


def _streams_left(log: str) -> int | None:
    """Return the number of streams at SIGTERM from a service's log; None before SIGTERM."""
    found = re.search(r"drains (\d+) streams", log)
    return int(found[1]) if found else None
