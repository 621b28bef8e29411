"""Finds the replicas of a Kubernetes Service by watching its EndpointSlices.

It lists once, then watches from the resourceVersion of the list. A watch that ends or breaks
resumes from the last version. It lists again only if the server no longer has that version (410).
While the API server cannot be reached, the last replicas stay.
"""

import asyncio
import json
import logging
import random
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

from barkserve.discovery.endpoint import Endpoints
from barkserve.discovery.slice_state import Slice, endpoints_of
from barkserve.errors import StartupError

_log = logging.getLogger(__name__)

NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
SERVICE_LABEL = "kubernetes.io/service-name"
WATCH_S = 240
FIRST_BACKOFF_S, LAST_BACKOFF_S = 0.2, 10.0
_REQUEST_S = 30.0


class _Expired(Exception):
    """The API server no longer has the resourceVersion."""


class EndpointSliceResolver:
    """Finds the replicas of a Service.

    Args:
        service: the name of the Service.
        namespace: its namespace; None means that of this pod, or else kubectl's current one.
        port: the port that the replicas listen on; None means the port in the slices.
        default_port: the port if the slices have none.
        connect: makes a `kubernetes.aio` ApiClient; None means as in a pod, or else as kubectl.

    Raises:
        StartupError: the kubernetes client is not installed.
    """

    def __init__(
        self,
        service: str,
        namespace: str | None,
        port: int | None,
        default_port: int,
        connect: Callable[[], Awaitable[Any]] | None = None,
    ) -> None:
        _import_client()
        self._service = service
        self._namespace = namespace or _own_namespace()
        self._port = port
        self._default_port = default_port
        self._connect = connect or _connect
        self._slices: dict[str, Slice] = {}
        self._version: str | None = None  # None: list before watching
        self._refused = ""
        self.server_name = f"{service}.{self._namespace}.svc"

    async def watch(self) -> AsyncGenerator[Endpoints, None]:
        """Yield the replicas after the first list and after each change, forever."""
        client = await self._connect()
        try:
            api = _import_client().DiscoveryV1Api(client)
            known: Endpoints | None = None
            async with aclosing(self._changes(api)) as changes:
                async for _ in changes:
                    slices = self._slices.values()
                    found = endpoints_of(slices, self._port, self._default_port)
                    if found != known:
                        yield found
                        known = found
        finally:
            await client.close()

    async def _changes(self, api: Any) -> AsyncGenerator[None, None]:
        """Keep self._slices up to date; yield after each change."""
        backoff = FIRST_BACKOFF_S
        while True:
            try:
                if self._version is None:
                    await self._list(api)
                    yield
                    backoff = FIRST_BACKOFF_S
                async with aclosing(self._events(api)) as events:
                    async for event in events:
                        self._apply(event)
                        yield
                        backoff = FIRST_BACKOFF_S
                backoff = FIRST_BACKOFF_S  # the server ends every watch after some time
            except _Expired:
                _log.info(
                    "%s: the API server no longer has the last version, listing again",
                    self.server_name,
                )
                self._version = None
            except (OSError, TimeoutError, _import_error()) as error:
                self._complain(error)
            await asyncio.sleep(backoff * random.uniform(0.5, 1.0))
            backoff = min(LAST_BACKOFF_S, backoff * 2)

    async def _list(self, api: Any) -> None:
        """Read all slices in one consistent answer."""
        async with _Answer(await self._request(api)) as response:
            body = json.loads(await response.read())
        self._slices = {item["metadata"]["name"]: item for item in body.get("items") or ()}
        self._version = body["metadata"]["resourceVersion"]
        self._refused = ""

    async def _events(self, api: Any) -> AsyncGenerator[dict[str, Any], None]:
        """Watch from self._version until the server ends the watch. Raises _Expired."""
        response = await self._request(
            api,
            watch=True,
            resource_version=self._version,
            allow_watch_bookmarks=True,
            timeout_seconds=round(WATCH_S * random.uniform(1.0, 1.25)),
            _request_timeout=WATCH_S * 1.25 + _REQUEST_S,
        )
        async with _Answer(response):
            async for line in _lines(response.content.iter_any()):
                yield json.loads(line)

    async def _request(self, api: Any, **options: Any) -> Any:
        call = api.list_namespaced_endpoint_slice_without_preload_content
        options.setdefault("_request_timeout", _REQUEST_S)
        selector = f"{SERVICE_LABEL}={self._service}"
        return await call(self._namespace, label_selector=selector, **options)

    def _apply(self, event: dict[str, Any]) -> None:
        item = event["object"]
        match event["type"]:
            case "ADDED" | "MODIFIED":
                self._slices[item["metadata"]["name"]] = item
            case "DELETED":
                self._slices.pop(item["metadata"]["name"], None)
            case "ERROR" if item.get("code") == 410:
                raise _Expired
            case "ERROR":
                self._version = None  # the missed changes are unknown
                raise OSError(f"the API server ended the watch: {item.get('message')}")
        self._version = item["metadata"]["resourceVersion"]  # a bookmark contains nothing else

    def _complain(self, error: Exception) -> None:
        """Log each new reason once, because an outage may last."""
        reason = str(error) or type(error).__name__
        if reason != self._refused:
            _log.warning(
                "%s: cannot watch EndpointSlices, keeping the last replicas: %s",
                self.server_name,
                reason,
            )
        self._refused = reason


class _Answer:
    """Checks a response, and closes it at the end. Raises _Expired or OSError for an error."""

    def __init__(self, response: Any) -> None:
        self._response = response

    async def __aenter__(self) -> Any:
        if self._response.status == 410:
            self._response.close()
            raise _Expired
        if self._response.status >= 300:
            text = await self._response.text()
            self._response.close()
            raise OSError(_explain(self._response.status, text))
        return self._response

    async def __aexit__(self, *_: object) -> None:
        self._response.close()


def _explain(status: int, text: str) -> str:
    try:
        message = json.loads(text)["message"]
    except (ValueError, KeyError, TypeError):
        message = text[:200]
    hint = "; the ServiceAccount needs get, list and watch of endpointslices" * (status == 403)
    return f"{status} {message}{hint}"


async def _lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Split chunks into lines of any length; an incomplete last line is dropped."""
    rest = b""
    async for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line.strip():
                yield line


def _own_namespace() -> str:
    """The namespace of this pod, or else that of kubectl's current context."""
    try:
        return NAMESPACE_FILE.read_text().strip()
    except OSError:
        pass
    from kubernetes.aio import config

    try:
        _, context = config.list_kube_config_contexts()
    except config.ConfigException:  # _connect raises for this
        return "default"
    return str(context["context"].get("namespace") or "default")


def _import_client() -> Any:
    try:
        from kubernetes.aio import client
    except ModuleNotFoundError as error:
        raise StartupError(
            f"kubernetes: discovery needs {error.name}: run pip install 'barkserve[kubernetes]'"
        ) from error
    return client


def _import_error() -> type[Exception]:
    """The base class of the errors of the client's HTTP library."""
    from aiohttp import ClientError

    base: type[Exception] = ClientError
    return base


async def _connect() -> Any:
    """Connect as the ServiceAccount of the pod, or else as kubectl's current context."""
    from kubernetes.aio import client, config

    configuration = client.Configuration()
    try:
        config.load_incluster_config(configuration)
    except config.ConfigException:
        try:
            await config.load_kube_config(client_configuration=configuration)
        except config.ConfigException as error:
            raise StartupError(
                f"kubernetes: not in a pod, and no kubeconfig found ({error})"
            ) from error
    return client.ApiClient(configuration)
