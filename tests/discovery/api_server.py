"""A Kubernetes API server as far as EndpointSlices go: list, watch from a resourceVersion,
bookmarks, and the ways in which a real one lets its clients down."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.fakes import until

LABEL = "kubernetes.io/service-name"
PATH = "/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices"


@dataclass
class ApiServer:
    """Slices by name, every change of them, and who asked what.

    Attributes:
        requests: the query of each list and watch, in order.
        refuse: answer everything with this status while it is not 0.
    """

    port: int = 0  # chosen at the first start
    version: int = 100
    oldest: int = 0  # a watch from before this one is answered with 410
    slices: dict[str, dict[str, Any]] = field(default_factory=dict)
    log: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    requests: list[dict[str, str]] = field(default_factory=list)
    refuse: int = 0
    _watches: dict[web.StreamResponse, asyncio.Task[Any]] = field(default_factory=dict)
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def lists(self) -> int:
        """How often everything was asked for."""
        return sum("watch" not in query for query in self.requests)

    @property
    def watching(self) -> bool:
        """Whether somebody watches now."""
        return bool(self._watches)

    def put(self, name: str, port: int, *endpoints: dict[str, Any], service: str = "") -> None:
        """Create or replace a slice; one without a service is shown to all who ask."""
        kind = "MODIFIED" if name in self.slices else "ADDED"
        self.version += 1
        item = {
            "metadata": {
                "name": name,
                "resourceVersion": str(self.version),
                "labels": {LABEL: service},
            },
            "addressType": "IPv4",
            "ports": [{"name": "metrics", "port": 9}, {"name": "grpc", "port": port}],
            "endpoints": list(endpoints),
        }
        self.slices[name] = item
        self._tell({"type": kind, "object": item})

    def delete(self, name: str) -> None:
        """Remove a slice."""
        self.version += 1
        item = self.slices.pop(name)
        item["metadata"]["resourceVersion"] = str(self.version)
        self._tell({"type": "DELETED", "object": item})

    def bookmark(self) -> None:
        """Move all watches on without a change."""
        self.version += 1
        self._tell(
            {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": str(self.version)}}}
        )

    def compact(self) -> None:
        """Forget all versions but the newest."""
        self.oldest = self.version

    async def expire(self) -> None:
        """Tell running watches that their version is too old, in a line of the watch itself."""
        await until(lambda: self.watching)
        self.compact()
        status = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"}
        for watch in list(self._watches):
            await watch.write(_line({"type": "ERROR", "object": status}))

    async def cut(self, half_a_line: bytes = b"") -> None:
        """Drop all connections of watches, in the middle of a line if there is one."""
        await until(lambda: self.watching)
        await self._drop(half_a_line)

    async def _drop(self, half_a_line: bytes = b"") -> None:
        for watch, task in list(self._watches.items()):
            await watch.write(half_a_line)
            task.cancel()
        await asyncio.sleep(0)

    async def start(self) -> None:
        app = web.Application()
        app.router.add_get(PATH, self._get)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True).start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        if self._runner is not None:
            await self._drop()
            await self._runner.cleanup()
            self._runner = None

    def _tell(self, event: dict[str, Any]) -> None:
        self.log.append((self.version, json.loads(json.dumps(event))))
        news, self._news = self._news, asyncio.Event()
        news.set()

    async def _get(self, request: web.Request) -> web.StreamResponse:
        query = dict(request.query)
        self.requests.append(query)
        if self.refuse:
            status = {"kind": "Status", "code": self.refuse, "message": "forbidden: no such right"}
            return web.json_response(status, status=self.refuse)
        if query.get("watch") not in ("true", "True"):
            metadata = {"resourceVersion": str(self.version)}
            items = [item for item in self.slices.values() if _selected(item, query)]
            return web.json_response({"metadata": metadata, "items": items})
        since = int(query["resourceVersion"])
        if since < self.oldest:
            gone = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"}
            return web.json_response(gone, status=410)
        return await self._watch(request, since, query)

    async def _watch(
        self, request: web.Request, since: int, query: dict[str, str]
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        task = asyncio.current_task()
        assert task is not None
        self._watches[response] = task
        try:
            while True:
                news = self._news
                for version, event in self.log:
                    if version > since and _selected(event["object"], query):
                        await response.write(_line(event))
                        since = version
                await news.wait()
        finally:
            del self._watches[response]
            if request.transport is not None:
                request.transport.abort()


def endpoint(host: str, **conditions: bool) -> dict[str, Any]:
    """One endpoint of a slice."""
    return {"addresses": [host], "conditions": conditions}


def _selected(item: dict[str, Any], query: dict[str, str]) -> bool:
    service = item["metadata"].get("labels", {}).get(LABEL)
    return not service or query.get("labelSelector") == f"{LABEL}={service}"


def _line(event: dict[str, Any]) -> bytes:
    return json.dumps(event).encode() + b"\n"


@asynccontextmanager
async def running_api_server() -> AsyncIterator[ApiServer]:
    server = ApiServer()
    await server.start()
    try:
        yield server
    finally:
        await server.stop()
