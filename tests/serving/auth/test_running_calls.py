"""Tokens that end while a call runs: what speaks may finish, and nothing new begins."""

import time
from pathlib import Path
from typing import Any

import grpc
import pytest

from barkserve.serving import reloaded_file
from barkserve.serving.auth import jwt_verifier
from barkserve.v1 import speech_pb2
from tests.support.identity_provider import AUDIENCE, ISSUER, IdentityProvider
from tests.support.services import Chain, running_chain
from tests.support.token_files import bearer, write_tokens

UNAUTHENTICATED = grpc.StatusCode.UNAUTHENTICATED.value[0]
Response = speech_pb2.StreamingSynthesizeResponse


class Call:
    """A StreamingSynthesize call with one open context that has spoken."""

    def __init__(self, chain: Chain, metadata: Any) -> None:
        self.metadata = metadata
        self._stub = chain.speech
        self._call = chain.speech.StreamingSynthesize(metadata=metadata)

    async def send(self, context_id: str, **fields: Any) -> None:
        request = speech_pb2.StreamingSynthesizeRequest(context_id=context_id, **fields)
        await self._call.write(request)

    async def open(self, context_id: str) -> None:
        await self.send(context_id, config=speech_pb2.StreamingConfig())
        await self.send(context_id, text="Hello. ")

    async def read_until(self, kind: str) -> Response:
        while (response := await self._call.read()).WhichOneof("response") != kind:
            assert response.WhichOneof("response") != "error", response
        return response

    async def is_refused(self) -> bool:
        """Whether a new RPC with the same token is refused."""
        try:
            await self._stub.ListVoices(speech_pb2.ListVoicesRequest(), metadata=self.metadata)
        except grpc.aio.AioRpcError as error:
            return error.code() is grpc.StatusCode.UNAUTHENTICATED
        return False

    async def check_end(self, reason: str) -> None:
        """Check that a new context is refused and that the old one is spoken to its end."""
        await self.open("b")
        refused = await self.read_until("error")
        assert (refused.context_id, refused.error.code) == ("b", UNAUTHENTICATED)
        assert reason in refused.error.message
        await self.send("a", text="How are you?")
        await self.send("a", end=speech_pb2.End())
        finished = await self.read_until("finished")
        assert finished.context_id == "a"
        assert finished.finished.sample_count > 0


async def test_token_that_ends_opens_no_new_contexts(
    tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock skew is changed instead of the time: the JSON web token expired a minute ago."""
    monkeypatch.setattr(reloaded_file, "CHECK_INTERVAL_S", 0.02)
    monkeypatch.setattr(jwt_verifier, "CLOCK_SKEW_S", 3600)
    provider = IdentityProvider()
    file = tmp_path / "tokens.toml"
    with provider.serving():
        options = {
            "auth_tokens": write_tokens(file, "bot speak", "other speak"),
            "auth_jwks": provider.url,
            "auth_issuer": ISSUER,
            "auth_audience": AUDIENCE,
        }
        async with running_chain(tiny_folder, **options) as chain:
            token = provider.token(exp=int(time.time()) - 60)
            revoked, expired = calls = [
                Call(chain, bearer("bot")),
                Call(chain, (("authorization", f"Bearer {token}"),)),
            ]
            for call in calls:
                await call.open("a")
                await call.send("a", flush=speech_pb2.Flush())
                await call.read_until("flush_done")
            write_tokens(file, "other speak")
            monkeypatch.setattr(jwt_verifier, "CLOCK_SKEW_S", 0)
            while not await revoked.is_refused():
                pass
            assert await expired.is_refused()
            await revoked.check_end("unknown or was revoked")
            await expired.check_end("has expired")
