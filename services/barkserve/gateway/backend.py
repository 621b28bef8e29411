"""The gateway's access to the orchestrator."""

import ipaddress
from collections.abc import Mapping
from typing import Self

import grpc
from grpc_health.v1 import health_pb2

from barkclient import AsyncClient, Tls
from barkclient.errors import ServerUnavailable, Unauthenticated
from barkclient.http_proxy import ProxyUse
from barkserve.config.gateway import GatewayOptions
from barkserve.gateway.bearer_token import token_of
from barkserve.gateway.openai.voices import VoiceAliases
from barkserve.request_id import current_request_id
from barkserve.serving.grpc_options import channel_options
from barkserve.serving.health import health_check
from barkserve.serving.tls import TlsFiles

_CHECK_S = 2.0
_NO_TOKEN = (
    "no token: send `Authorization: Bearer TOKEN` or `xi-api-key: TOKEN`; the operator has tokens"
)
_UNCHECKED = (
    "the orchestrator does not check tokens, and --require-tokens is set: start the orchestrator "
    "with --auth-tokens or --auth-jwks"
)


class Backend:
    """The connections to the orchestrators, for all requests. Made inside an event loop.

    Args:
        options: where the orchestrator is, and whether callers need tokens.
        tls: the certificates; None for plaintext. Calls that begin after a change use the new ones.
    """

    def __init__(self, options: GatewayOptions, tls: TlsFiles | None) -> None:
        self.aliases = VoiceAliases.from_option(options.openai_voices)
        self._options = options
        self._tls = tls
        self._version = -1
        self._checks_tokens = False

    def client(self, headers: Mapping[str, str], address: str = "") -> AsyncClient:
        """Return a client for the caller of a request.

        Args:
            headers: the headers of the request, which have the token.
            address: the caller's IP address; another text, or none, makes it the gateway's.

        Raises:
            InvalidRequest: the token cannot be sent.
            Unauthenticated: there is no token, and --require-tokens is set.
        """
        token = token_of(headers)
        if token is None and self._options.require_tokens:
            raise Unauthenticated(_NO_TOKEN)
        self._connect()
        return self._client.with_token(
            token, address=_checked_address(address), request_id=current_request_id()
        )

    async def check_tokens_are_checked(self) -> None:
        """Check that a call without a token fails, if callers need tokens. A success is kept.

        Raises:
            ServerUnavailable: it does not fail, or the orchestrator does not answer.
        """
        if self._checks_tokens or not self._options.require_tokens:
            return
        self._connect()
        try:
            await self._client.server_info(timeout=_CHECK_S)
        except Unauthenticated:
            self._checks_tokens = True
            return
        raise ServerUnavailable(_UNCHECKED)

    async def is_ready(self, timeout_s: float) -> bool:
        """Whether the orchestrator serves. Needs no token."""
        self._connect()
        check = health_check(self._channel)
        try:
            response = await check(health_pb2.HealthCheckRequest(), timeout=timeout_s)
        except grpc.aio.AioRpcError:
            return False
        return bool(response.status == health_pb2.HealthCheckResponse.SERVING)

    async def __aenter__(self) -> Self:
        self._connect()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._client.close()
        await self._channel.close()

    def _connect(self) -> None:
        """Open new channels if the certificates have changed.

        The old ones close when the last call on them has ended.
        """
        version = 0 if self._tls is None else self._tls.current().version
        if version != self._version:
            tls = _client_tls(self._options)
            target, proxy = self._options.orchestrator, self._options.grpc_proxy
            self._client = AsyncClient(target, tls=tls, spread=True, grpc_proxy=proxy)
            self._channel = _health_channel(target, tls, proxy)
            self._version = version


def _client_tls(options: GatewayOptions) -> Tls | None:
    """TLS to the orchestrator if --tls-ca names an authority, with our own certificate."""
    if not options.tls_ca:
        return None
    return Tls(
        ca=options.tls_ca,
        certificate=options.tls_cert or None,
        key=options.tls_key or None,
        server_name=options.orchestrator_tls_name or None,
    )


def _health_channel(target: str, tls: Tls | None, proxy: ProxyUse) -> grpc.aio.Channel:
    options = channel_options(target, proxy)
    if tls is None:
        return grpc.aio.insecure_channel(target, options=options)
    options = (*options, *tls.options())
    return grpc.aio.secure_channel(target, tls.credentials(), options=options)


def _checked_address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return ""
