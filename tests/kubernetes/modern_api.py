"""A proxy that gives the API server of Kubernetes 1.20 the API of version 1.33.

Newer group versions map to the beta versions of 1.20. gRPC probes and sleep hooks are stored as
commands. Native v1 validation, newer fields and CEL rules are not available.

python -m tests.kubernetes.modern_api PORT CERTIFICATE KEY UPSTREAM_PORT
"""

import json
import sys
from typing import Any

import aiohttp
from aiohttp import web

from tests.kubernetes.https import serve

_OLD = {
    "discovery.k8s.io/v1": "discovery.k8s.io/v1beta1",
    "autoscaling/v2": "autoscaling/v2beta2",
    "policy/v1": "policy/v1beta1",
}
_NEW = {old: new for new, old in _OLD.items()}
_VERSION = {"major": "1", "minor": "33", "gitVersion": "v1.33.0"}
_PROBES = ("startupProbe", "readinessProbe", "livenessProbe")
_GRPC, _SLEEP = "grpc-health-probe", "sleep"
_DROPPED = ("Host", "Accept-Encoding", "Content-Length", "Transfer-Encoding", "Connection")
_NO_LIMIT = 1 << 26


class ModernApi:
    """Translates requests to the old API, and responses back.

    Args:
        upstream: URL of the API server.
    """

    def __init__(self, upstream: str) -> None:
        self._upstream = upstream
        self._client: aiohttp.ClientSession | None = None

    def app(self) -> web.Application:
        """Return the web application."""
        app = web.Application(client_max_size=_NO_LIMIT)
        app.router.add_route("*", "/{path:.*}", self._handle)
        app.cleanup_ctx.append(self._connected)
        return app

    async def _connected(self, app: web.Application) -> Any:
        connector = aiohttp.TCPConnector(ssl=False, limit=0)
        timeout = aiohttp.ClientTimeout(total=None)
        self._client = aiohttp.ClientSession(
            connector=connector, timeout=timeout, read_bufsize=_NO_LIMIT
        )
        yield
        await self._client.close()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        assert self._client is not None
        call = self._client.request(
            request.method,
            self._upstream + _old_path(request.path),
            params=request.query,
            headers=_headers(request),
            data=_translated(await request.read(), older) or None,
            allow_redirects=False,
        )
        try:
            async with call as answer:
                return await self._answer(request, answer)
        except aiohttp.ClientError:
            if request.transport is not None:
                request.transport.abort()  # as if the server were down
            raise

    async def _answer(
        self, request: web.Request, answer: aiohttp.ClientResponse
    ) -> web.StreamResponse:
        kind = answer.headers.get("Content-Type", "application/json")
        if request.query.get("watch") in ("1", "true", "True") and answer.status == 200:
            response = web.StreamResponse(headers={"Content-Type": kind})
            await response.prepare(request)
            async for line in answer.content:
                await response.write(_translated(line, newer) + b"\n")
            return response
        body = await answer.read()
        if "json" in kind:
            body = _translated(body, newer)
        if request.path == "/version":
            body = json.dumps(json.loads(body) | _VERSION).encode()
        return web.Response(status=answer.status, body=body, headers={"Content-Type": kind})


def older(node: Any) -> Any:
    """Translate a JSON value of today to Kubernetes 1.20."""
    return _walk(node, _OLD, _older_container)


def newer(node: Any) -> Any:
    """Translate a JSON value of Kubernetes 1.20 to today's form."""
    return _walk(node, _NEW, _newer_container)


def _walk(node: Any, versions: dict[str, str], container: Any) -> Any:
    if isinstance(node, list):
        return [_walk(each, versions, container) for each in node]
    if not isinstance(node, dict):
        return node
    found = {key: _walk(value, versions, container) for key, value in node.items()}
    for key in ("apiVersion", "groupVersion"):
        if found.get(key) in versions:
            found[key] = versions[found[key]]
            if "version" in found:
                found["version"] = found[key].rpartition("/")[2]
    if {"group", "version", "kind"} <= found.keys():
        renamed = versions.get(f"{found['group']}/{found['version']}", found["version"])
        found["version"] = renamed.rpartition("/")[2]
    for key in ("containers", "initContainers"):
        if isinstance(found.get(key), list):
            found[key] = [container(each) for each in found[key]]
    return found


def _older_container(node: dict[str, Any]) -> dict[str, Any]:
    for name in _PROBES:
        probe = node.get(name) or {}
        if "grpc" in probe:
            check = probe.pop("grpc")
            words = [_GRPC, str(check["port"]), check.get("service", "")]
            probe["exec"] = {"command": words}
    hook = (node.get("lifecycle") or {}).get("preStop") or {}
    if "sleep" in hook:
        hook["exec"] = {"command": [_SLEEP, str(hook.pop("sleep")["seconds"])]}
    return node


def _newer_container(node: dict[str, Any]) -> dict[str, Any]:
    for name in _PROBES:
        probe = node.get(name) or {}
        words = probe.get("exec", {}).get("command", [])
        if words[:1] == [_GRPC]:
            del probe["exec"]
            probe["grpc"] = {"port": int(words[1]), "service": words[2]}
    hook = (node.get("lifecycle") or {}).get("preStop") or {}
    words = hook.get("exec", {}).get("command", [])
    if words[:1] == [_SLEEP]:
        del hook["exec"]
        hook["sleep"] = {"seconds": int(words[1])}
    return node


def _old_path(path: str) -> str:
    for new, old in _OLD.items():
        if path == f"/apis/{new}" or path.startswith(f"/apis/{new}/"):
            return f"/apis/{old}" + path.removeprefix(f"/apis/{new}")
    return path


def _headers(request: web.Request) -> dict[str, str]:
    headers = {name: value for name, value in request.headers.items() if name not in _DROPPED}
    if not request.path.startswith("/openapi/"):
        headers["Accept"] = "application/json"  # not protobuf, which is not translated
    if request.can_read_body:
        headers.setdefault("Content-Type", "application/json")
    return headers


def _translated(body: bytes, translate: Any) -> bytes:
    if not body.strip():
        return body
    try:
        return json.dumps(translate(json.loads(body))).encode()
    except ValueError:
        return body


def main() -> None:
    """Serve until killed."""
    port, certificate, key, upstream = sys.argv[1:]
    serve(ModernApi(f"https://127.0.0.1:{upstream}").app(), int(port), certificate, key)


if __name__ == "__main__":
    main()
