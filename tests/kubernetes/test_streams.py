"""Streams go on while the cluster changes under them: real services in the chart's pods, found
through a real API server by the real orchestrator with its own account's token.
"""

import asyncio
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from barkserve.constants import STAGES
from barkserve.v1.status_pb2 import ReplicaStatus
from fixtures.checkpoints import TINY, CheckpointSpec, never_ending
from tests.kubernetes.client import ApiError
from tests.kubernetes.control_plane import ControlPlane
from tests.kubernetes.kubelet import PROGRAM
from tests.kubernetes.listeners import Listeners, listening, talking
from tests.kubernetes.release import InstalledRelease, namespace

SPEC = replace(never_ending(TINY), max_new_tokens=700, block_size=1024)


def values(checkpoint: Path) -> dict[str, Any]:
    """One replica of each service, of this checkout, with a test's checkpoint."""
    words = [f"--checkpoint={checkpoint}"]
    return {
        "image": {"repository": PROGRAM},
        "defaults": {"extraArgs": words, "preStopSeconds": 1, "drainSeconds": 40},
        "services": {"orchestrator": {"options": {"replica-wait-seconds": 60}}},
    }


@pytest.fixture(scope="module")
def release(
    plane: ControlPlane,
    checkpoint_of: Callable[[CheckpointSpec], Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[InstalledRelease]:
    with namespace(plane, "speech", tmp_path_factory.mktemp("speech")) as found:
        found.install(values(checkpoint_of(SPEC)))
        for service in (*STAGES, "orchestrator"):
            found.until(lambda s=service: found.ready(s) == 1, f"{service} is not ready")
        yield found


async def test_replicas_come_drain_and_go(release: InstalledRelease) -> None:
    async with listening(_door(release)) as listeners:
        await _scale(release, listeners, "coarse", 2)
        await _scale(release, listeners, "coarse", 1)
        await listeners.more()
    assert _exit_codes(release) == {0}


async def test_a_pod_that_drains_is_seen_so_and_gets_no_new_streams(
    release: InstalledRelease,
) -> None:
    async with listening(_door(release)) as listeners:
        (name,) = release.pods("coarse")
        old = release.one("pod", name)["status"]["podIP"] + ":50053"
        await asyncio.to_thread(release.kubectl, "delete", "pod", name, "--wait=false")
        await listeners.until(
            "coarse", lambda seen: _states(seen).get(old) == ReplicaStatus.STATE_DRAINING
        )
        await listeners.until("coarse", lambda seen: old not in _states(seen) and len(seen) == 1)
        await listeners.more()
    assert name not in release.pods("coarse")
    assert _exit_codes(release) == {0}


async def test_the_api_server_dies_and_comes_back(
    release: InstalledRelease, plane: ControlPlane
) -> None:
    async with listening(_door(release)) as listeners:
        plane.kill_api()
        known = _states(await listeners.replicas("coarse"))
        await listeners.more()
        assert await listeners.speak(seed=7) > 0  # new streams begin without it
        assert _states(await listeners.replicas("coarse")).keys() == known.keys()
        await asyncio.to_thread(plane.start_api)
        await _scale(release, listeners, "coarse", 2)
        await _scale(release, listeners, "coarse", 1)


async def test_a_forgotten_version_is_listed_again(
    release: InstalledRelease, plane: ControlPlane
) -> None:
    async with listening(_door(release)) as listeners:
        plane.kill_api()
        plane.forget()
        await asyncio.to_thread(plane.start_api)
        await _scale(release, listeners, "coarse", 2)
        await _scale(release, listeners, "coarse", 1)
        (orchestrator,) = release.pods("orchestrator")
        assert "too far behind; listing again" in plane.log(orchestrator)


async def test_an_eviction_beyond_the_budget_is_refused(release: InstalledRelease) -> None:
    async with listening(_door(release)) as listeners:
        await _scale(release, listeners, "fine", 2)
        first, second = release.pods("fine")
        release.until(
            lambda: release.one("pdb", "bark-fine")["status"]["disruptionsAllowed"], "pdb"
        )
        assert await _evict(release, first) == ""
        refusal = await _evict(release, second)
        assert refusal.startswith("429")
        assert "would violate the pod's disruption budget" in refusal
        await listeners.until("fine", lambda seen: _ready(seen) == 2)
        await _scale(release, listeners, "fine", 1)


async def test_every_stage_is_rolled_out_and_no_stream_fails(
    release: InstalledRelease, plane: ControlPlane
) -> None:
    before = {stage: set(release.pods(stage)) for stage in STAGES}
    (codec,) = before["codec"]
    async with listening(_door(release)) as listeners:
        names = [f"deployment/bark-{stage}" for stage in STAGES]
        async with talking(_door(release)):  # one call of the codec, for as long as this goes on
            await asyncio.to_thread(release.kubectl, "rollout", "restart", *names)
            is_told = lambda: _streams_left(plane.log(codec))  # noqa: E731
            await asyncio.to_thread(release.until, is_told, "the codec's pod need not go")
        for name in names:
            status = ("rollout", "status", name, "--timeout=180s")
            await asyncio.to_thread(release.kubectl, *status)
        for stage in STAGES:
            await listeners.until(stage, lambda seen: len(seen) == _ready(seen) == 1)
        await listeners.more()
    for stage in STAGES:
        assert not before[stage] & set(release.pods(stage))
    old = set().union(*before.values())
    assert all(_streams_left(plane.log(pod)) is not None for pod in old)
    assert _exit_codes(release) == {0}, "a pod was killed before its streams had ended"


def _door(release: InstalledRelease) -> str:
    (pod,) = release.pods("orchestrator").values()
    return f"{pod['status']['podIP']}:50051"


async def _scale(
    release: InstalledRelease, listeners: Listeners, stage: str, replicas: int
) -> None:
    """Scale a stage, and wait until the orchestrator has heard of it."""
    words = ("scale", f"deployment/bark-{stage}", f"--replicas={replicas}")
    await asyncio.to_thread(release.kubectl, *words)
    await listeners.until(stage, lambda seen: len(seen) == _ready(seen) == replicas)


async def _evict(release: InstalledRelease, pod: str) -> str:
    """Evict a pod as `kubectl drain` does; returns why it was refused, "" if it was not."""
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
    """Those that have reported their load, and take streams."""
    return sum(each.state == ReplicaStatus.STATE_READY for each in seen)


def _exit_codes(release: InstalledRelease) -> set[int]:
    events = release.objects("events", "--field-selector=reason=Stopped")
    return {int(each["message"]) for each in events}


def _streams_left(log: str) -> int | None:
    """Streams that a service had when it got SIGTERM, as it wrote then; None before that."""
    told = re.search(r"ends after its (\d+) streams", log)
    return int(told[1]) if told else None
