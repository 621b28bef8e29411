"""The watch of EndpointSlices, against an API server that fails as real ones do."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from kubernetes.aio.config import kube_config

from barkserve.discovery.endpoint import Endpoint
from barkserve.discovery.endpoint_slices import EndpointSliceResolver
from fixtures.kubernetes_api import ApiServer, endpoint, running_api_server
from tests.kubernetes.api_client import kubeconfig
from tests.support.fakes import until


class Seen:
    """The results of a resolver so far."""

    def __init__(self, resolver: EndpointSliceResolver) -> None:
        self.resolver = resolver
        self.all: list[set[str]] = []

    async def until(self, *addresses: str) -> None:
        """Wait for exactly these addresses; a draining one has the prefix "-"."""
        await until(lambda: bool(self.all) and self.all[-1] == set(addresses))


@pytest.fixture
async def server() -> AsyncIterator[ApiServer]:
    async with running_api_server() as running:
        yield running


def resolver_for(server: ApiServer) -> EndpointSliceResolver:
    async def connect() -> Any:
        from kubernetes.aio import client

        return client.ApiClient(client.Configuration(host=server.url))

    return EndpointSliceResolver("bark-coarse", "speech", None, 50053, connect)


@asynccontextmanager
async def watching(server: ApiServer) -> AsyncIterator[Seen]:
    seen = Seen(resolver_for(server))

    async def follow() -> None:
        async for endpoints in seen.resolver.watch():
            seen.all.append({"-" * each.draining + each.address for each in endpoints})

    task = asyncio.create_task(follow())
    try:
        yield seen
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_replicas_are_added_drained_and_removed(server: ApiServer) -> None:
    async with watching(server) as seen:
        await seen.until()
        server.put("a", 50053, endpoint("10.0.0.1", ready=True))
        await seen.until("10.0.0.1:50053")
        server.put("b", 50053, endpoint("10.0.0.2", ready=False, serving=False))
        server.put("a", 50053, endpoint("10.0.0.1", ready=False, serving=True, terminating=True))
        await seen.until("-10.0.0.1:50053")
        server.put("b", 50053, endpoint("10.0.0.2", ready=True, serving=True, terminating=False))
        server.delete("a")
        await seen.until("10.0.0.2:50053")
    assert server.lists == 1
    assert {query["labelSelector"] for query in server.requests} == {
        "kubernetes.io/service-name=bark-coarse"
    }


async def cut(server: ApiServer) -> None:
    await server.cut()


async def cut_in_a_line(server: ApiServer) -> None:
    await server.cut(b'{"type": "DELETED", "object": {"metadata": {"name": "a", "reso')


async def restart(server: ApiServer) -> None:
    await server.stop()
    await asyncio.sleep(0.3)
    await server.start()


@pytest.mark.parametrize("outage", [cut, cut_in_a_line, restart])
async def test_broken_watch_resumes_from_its_version(
    server: ApiServer, outage: Callable[[ApiServer], Any]
) -> None:
    server.put("a", 50053, endpoint("10.0.0.1"))
    async with watching(server) as seen:
        await seen.until("10.0.0.1:50053")
        await outage(server)
        server.put("b", 50053, endpoint("10.0.0.2"))
        await seen.until("10.0.0.1:50053", "10.0.0.2:50053")
        assert seen.all == [{"10.0.0.1:50053"}, {"10.0.0.1:50053", "10.0.0.2:50053"}]
    assert server.lists == 1


@pytest.mark.parametrize("how", ["in the watch", "when it reconnects"])
async def test_expired_version_is_listed_again(server: ApiServer, how: str) -> None:
    server.put("a", 50053, endpoint("10.0.0.1"))
    async with watching(server) as seen:
        await seen.until("10.0.0.1:50053")
        if how == "in the watch":
            await server.expire()
        else:
            await server.stop()
            server.version += 1  # a change that no watch can report
            server.slices.clear()
            server.compact()
            server.put("c", 50053, endpoint("10.0.0.3"))
            server.compact()
            await server.start()
            await seen.until("10.0.0.3:50053")
        server.put("b", 50053, endpoint("10.0.0.2"))
        last = "10.0.0.1" if how == "in the watch" else "10.0.0.3"
        await seen.until(f"{last}:50053", "10.0.0.2:50053")
    assert server.lists == 2


async def test_bookmark_avoids_another_list(server: ApiServer) -> None:
    server.put("a", 50053, endpoint("10.0.0.1"))
    async with watching(server) as seen:
        await seen.until("10.0.0.1:50053")
        await until(lambda: server.watching)
        server.bookmark()
        server.compact()
        await until(lambda: seen.resolver._version == str(server.version))
        await server.cut()
        server.put("b", 50053, endpoint("10.0.0.2"))
        await seen.until("10.0.0.1:50053", "10.0.0.2:50053")
    assert server.lists == 1
    assert server.requests[-1]["resourceVersion"] == str(server.oldest)


async def test_forbidden_watch_names_the_right_and_retries(
    server: ApiServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.refuse = 403
    async with watching(server) as seen:
        await until(lambda: "needs get, list and watch of endpointslices" in caplog.text)
        server.put("a", 50053, endpoint("10.0.0.1"))
        server.refuse = 0
        await seen.until("10.0.0.1:50053")
    assert seen.all == [{"10.0.0.1:50053"}]


async def test_slices_larger_than_a_buffer_are_read(server: ApiServer) -> None:
    hosts = [f"10.{a}.{b}.1" for a in range(10) for b in range(100)]
    async with watching(server) as seen:
        await seen.until()
        server.put("a", 50053, *(endpoint(host, ready=True, serving=True) for host in hosts))
        await seen.until(*(f"{host}:50053" for host in hosts))
    assert [len(addresses) for addresses in seen.all] == [0, 1000]


async def test_resolver_uses_kubectl_context_outside_a_pod(
    server: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    (tmp_path / "config").write_text(kubeconfig(server.url, "", "token", namespace="speech"))
    monkeypatch.setattr(kube_config, "KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "config"))
    server.put("a", 50053, endpoint("10.0.0.1"))
    resolver = EndpointSliceResolver("bark-coarse", None, None, 50053)
    assert resolver.server_name == "bark-coarse.speech.svc"
    async with aclosing(resolver.watch()) as found:
        assert await anext(found) == (Endpoint("10.0.0.1:50053"),)
