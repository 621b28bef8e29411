"""The watch of EndpointSlices with a pod's token, against a real API server and controller."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from kubernetes.aio.config import incluster_config

from barkserve.discovery import endpoint_slices
from barkserve.discovery.endpoint_slices import EndpointSliceResolver
from tests.kubernetes.control_plane import ControlPlane
from tests.kubernetes.release import InstalledRelease, namespace
from tests.support.fakes import until

PRE_STOP_S = 5
RECOVERY_S = 150.0
"""The controllers of Kubernetes ask a restarted API server again after at most 60 s."""


@pytest.fixture(scope="module")
def release(
    plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[InstalledRelease]:
    with namespace(plane, "discovery", tmp_path_factory.mktemp("discovery")) as found:
        idle = {"image": {"repository": "idle"}, "defaults": {"preStopSeconds": PRE_STOP_S}}
        found.install(idle)
        found.until(lambda: found.ready("coarse") == 1, "coarse is not ready")
        yield found


@pytest.fixture
def enter(
    release: InstalledRelease, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> "PodEnvironment":
    return PodEnvironment(release, tmp_path, monkeypatch)


class PodEnvironment:
    """Gives this process the environment and the files of a pod."""

    def __init__(
        self, release: InstalledRelease, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self._release, self._folder, self._patch = release, folder, monkeypatch

    def __call__(self, service: str) -> None:
        host, _, port = self._release.plane.url.removeprefix("https://").partition(":")
        self._patch.setenv("KUBERNETES_SERVICE_HOST", host)
        self._patch.setenv("KUBERNETES_SERVICE_PORT", port)
        token = self._release.kubectl("create", "token", f"bark-{service}").strip()
        (self._folder / "token").write_text(token)
        (self._folder / "namespace").write_text(self._release.namespace)
        token_file = str(self._folder / "token")
        self._patch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", token_file)
        self._patch.setattr(incluster_config, "SERVICE_CERT_FILENAME", self._release.plane.ca)
        self._patch.setattr(endpoint_slices, "NAMESPACE_FILE", self._folder / "namespace")


@asynccontextmanager
async def watching(service: str) -> AsyncIterator[list[set[str]]]:
    """Collect all results of a resolver; draining addresses have the prefix "-"."""
    resolver = EndpointSliceResolver(f"bark-{service}", None, None, 50053)
    seen: list[set[str]] = []

    async def follow() -> None:
        async for endpoints in resolver.watch():
            seen.append({"-" * each.draining + each.address for each in endpoints})

    task = asyncio.create_task(follow())
    try:
        yield seen
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_watch_follows_pods_from_ready_to_removed(
    release: InstalledRelease, enter: PodEnvironment
) -> None:
    enter("orchestrator")
    async with watching("coarse") as seen:
        await until(lambda: len(seen) == 1)
        await _scale(release, "coarse", 2)
        await until(lambda: len(seen) == 2)
        await _scale(release, "coarse", 1)
        await until(lambda: len(seen) == 4)
    ((old,), both, draining, (last,)) = seen
    (new,) = both - {old}
    assert draining in ({old, f"-{new}"}, {f"-{old}", new})
    assert last in both & draining


async def test_watch_continues_after_the_api_server_was_killed(
    release: InstalledRelease, plane: ControlPlane, enter: PodEnvironment
) -> None:
    """The watch shows what changes in an outage and after it.

    The outage may hit the creation of a pod: Kubernetes repeats it, and then has a replica too many
    for a while. Its controllers may also learn of a pod's end after its drain.
    """
    enter("orchestrator")
    async with watching("coarse") as seen:
        await until(lambda: len(seen) == 1)
        await _scale(release, "coarse", 2)  # the controller may not have reacted yet
        plane.kill_api()
        await asyncio.to_thread(plane.start_api)
        await until(lambda: len(_serving(seen[-1])) == len(seen[-1]) == 2, RECOVERY_S)
        assert all(seen[0] <= each for each in seen)  # no outage removes a replica
        known = len(seen)
        await _scale(release, "coarse", 1)
        await until(lambda: len(_serving(seen[-1])) == len(seen[-1]) == 1, RECOVERY_S)
    both, *_, last = seen[known - 1 :]
    assert last < both


async def test_watch_lists_again_after_a_compaction(
    release: InstalledRelease,
    plane: ControlPlane,
    enter: PodEnvironment,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", "barkserve")
    enter("orchestrator")
    async with watching("coarse") as seen:
        await until(lambda: len(seen) == 1)
        plane.kill_api()
        plane.forget()
        await asyncio.to_thread(plane.start_api)
        await until(lambda: "no longer has the last version, listing again" in caplog.text)
        await _scale(release, "coarse", 2)
        await until(lambda: len(seen[-1]) == 2, RECOVERY_S)
        await _scale(release, "coarse", 1)
        await until(lambda: len(seen[-1]) == 1, RECOVERY_S)
    assert _is_history_of_two(seen)


async def test_watch_names_the_missing_right(
    enter: PodEnvironment, caplog: pytest.LogCaptureFixture
) -> None:
    enter("coarse")
    async with watching("coarse") as seen:
        await until(lambda: "needs get, list and watch of endpointslices" in caplog.text)
        assert 'User "system:serviceaccount:discovery:bark-coarse" cannot list' in caplog.text
    assert not seen


def _serving(addresses: set[str]) -> set[str]:
    """The addresses that are not draining."""
    return {each for each in addresses if not each.startswith("-")}


def _is_history_of_two(seen: list[set[str]]) -> bool:
    """Return whether a second replica was added, and one of the two drained and was removed.

    Repeated results, after a restart of the API server, count once.
    """
    changes = [now for before, now in zip([set(), *seen], seen, strict=False) if now != before]
    first, both, draining, last = changes
    return first < both and len(both) == 2 and last < draining and last < both and len(last) == 1


async def _scale(release: InstalledRelease, service: str, replicas: int) -> None:
    words = ("scale", f"deployment/bark-{service}", f"--replicas={replicas}")
    await asyncio.to_thread(release.kubectl, *words)
