"""A client of the Kubernetes API in JSON, for the simulated parts of the cluster."""

import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import yaml

Json = dict[str, Any]

_PATCHES = {
    "merge": "application/merge-patch+json",
    "strategic": "application/strategic-merge-patch+json",
}


class ApiError(Exception):
    """The API server refused a request.

    Args:
        status: HTTP status.
        message: body of the response.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status} {message}")
        self.status = status


@dataclass
class Api:
    """A client with one user's rights; use it as an async context manager.

    Args:
        url: URL of the API server.
        ca: file of the authority that signed its certificate.
        token: token of the user.
    """

    url: str
    ca: str
    token: str
    _session: aiohttp.ClientSession | None = field(default=None, repr=False)

    async def __aenter__(self) -> "Api":
        connector = aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=self.ca))
        headers = {"Authorization": f"Bearer {self.token}"}
        self._session = aiohttp.ClientSession(connector=connector, headers=headers)
        return self

    async def __aexit__(self, *error: object) -> None:
        assert self._session is not None
        await self._session.close()

    async def get(self, path: str, **query: str) -> Json:
        """Get an object or a list."""
        return await self._call("GET", path, params=query)

    async def post(self, path: str, body: Json) -> Json:
        """Create an object."""
        return await self._call("POST", path, json=body)

    async def patch(self, path: str, body: Json, how: str = "merge") -> Json:
        """Patch an object; `how` is merge or strategic."""
        headers = {"Content-Type": _PATCHES[how]}
        return await self._call("PATCH", path, data=json.dumps(body), headers=headers)

    async def delete(self, path: str, body: Json | None = None) -> Json:
        """Delete an object; the body has DeleteOptions."""
        return await self._call("DELETE", path, json=body or {})

    async def _call(self, method: str, path: str, **options: Any) -> Json:
        assert self._session is not None
        async with self._session.request(method, self.url + path, **options) as response:
            text = await response.text()
        if response.status >= 300:
            raise ApiError(response.status, text)
        return dict(json.loads(text))


def kubeconfig(url: str, ca: str, token: str, namespace: str = "default") -> str:
    """Return a kubeconfig in YAML; an empty `ca` skips the verification of the server."""
    authority = {"certificate-authority": ca} if ca else {"insecure-skip-tls-verify": True}
    part: Mapping[str, Any] = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "test", "cluster": {"server": url, **authority}}],
        "users": [{"name": "test", "user": {"token": token}}],
        "contexts": [
            {"name": "test", "context": {"cluster": "test", "user": "test", "namespace": namespace}}
        ],
        "current-context": "test",
    }  # fmt: skip
    return yaml.safe_dump(dict(part))
