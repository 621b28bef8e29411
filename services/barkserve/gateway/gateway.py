"""The gateway, as its server sees it."""

from dataclasses import dataclass
from typing import Self

from fastapi import FastAPI

from barkserve.gateway.backend import Backend
from barkserve.gateway.drain_state import DrainState
from barkserve.serving.tls import TlsFiles
from barkserve.serving.trusted_proxies import TrustedProxies


@dataclass(frozen=True)
class Gateway:
    """An application and its life cycle.

    Attributes:
        app: the ASGI application.
        drain: the requests that run.
        backend: the orchestrator; closed at the end.
        tls: the certificates; None for plain HTTP and plaintext to the orchestrator.
        proxies: those whose X-Forwarded-For is believed.
    """

    app: FastAPI
    drain: DrainState
    backend: Backend
    tls: TlsFiles | None
    proxies: TrustedProxies

    async def __aenter__(self) -> Self:
        await self.backend.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.backend.__aexit__(*error)
