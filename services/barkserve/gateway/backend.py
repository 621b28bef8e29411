"""The gateway's access to the orchestrator."""

from collections.abc import Mapping
from typing import Self

from barkclient import AsyncClient
from barkclient.tls import Tls
from barkserve.gateway.openai.voices import VoiceAliases


class Backend:
    """One channel to the orchestrator, for all requests.

    Args:
        target: HOST:PORT of the orchestrator, or another name that gRPC resolves.
        tls: certificates; None for plaintext.
        aliases: voices for OpenAI's voice names.
    """

    def __init__(self, target: str, tls: Tls | None, aliases: VoiceAliases) -> None:
        self.aliases = aliases
        self._client = AsyncClient(target, tls=tls)

    def client(self, headers: Mapping[str, str]) -> AsyncClient:
        """Return the client for a caller, who is known by the headers of a request."""
        return self._client

    async def check(self, timeout_s: float) -> None:
        """Check that the orchestrator answers.

        Raises:
            BarkClientError: it does not.
        """
        await self._client.server_info(timeout=timeout_s)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._client.close()
