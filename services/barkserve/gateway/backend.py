"""The gateway's access to the orchestrator."""

from collections.abc import Mapping
from typing import Self

import grpc
from grpc_health.v1 import health_pb2

from barkclient import AsyncClient, Tls
from barkclient.http_proxy import ProxyUse
from barkserve.gateway.bearer_token import token_of
from barkserve.gateway.openai.voices import VoiceAliases
from barkserve.serving.grpc_options import channel_options
from barkserve.serving.health import health_check


class Backend:
    """One connection to the orchestrator, for all requests. Made inside an event loop.

    Args:
        target: HOST:PORT of the orchestrator, or another name that gRPC resolves.
        tls: certificates; None for plaintext.
        grpc_proxy: whether calls go through the HTTP proxy that the environment names.
        aliases: voices for OpenAI's voice names.
    """

    def __init__(
        self, target: str, tls: Tls | None, grpc_proxy: ProxyUse, aliases: VoiceAliases
    ) -> None:
        self.aliases = aliases
        self._client = AsyncClient(target, tls=tls, grpc_proxy=grpc_proxy)
        self._channel = _channel(target, tls, grpc_proxy)

    def client(self, headers: Mapping[str, str]) -> AsyncClient:
        """Return a client for the caller of a request, whose token is in the headers.

        Raises:
            InvalidRequest: the token cannot be sent.
        """
        return self._client.with_token(token_of(headers))

    async def is_ready(self, timeout_s: float) -> bool:
        """Whether the orchestrator serves. Needs no token."""
        check = health_check(self._channel)
        try:
            response = await check(health_pb2.HealthCheckRequest(), timeout=timeout_s)
        except grpc.aio.AioRpcError:
            return False
        return bool(response.status == health_pb2.HealthCheckResponse.SERVING)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._client.close()
        await self._channel.close()


def _channel(target: str, tls: Tls | None, grpc_proxy: ProxyUse) -> grpc.aio.Channel:
    options = channel_options(target, grpc_proxy)
    if tls is None:
        return grpc.aio.insecure_channel(target, options=options)
    options = (*options, *tls.options())
    return grpc.aio.secure_channel(target, tls.credentials(), options=options)
