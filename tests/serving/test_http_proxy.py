"""Calls between services go directly, unless --grpc-proxy says otherwise."""

from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2

from barkserve.constants import STAGES
from barkserve.serving.channel import Dialer
from barkserve.serving.health import health_check
from barkserve.v1 import speech_pb2
from tests.support.connect_proxy import running_connect_proxy
from tests.support.services import running

DEAD = "http://me:secret@127.0.0.1:1"


async def check(dialer: Dialer) -> None:
    async with dialer.open("codec.example:443") as channel:
        await health_check(channel)(health_pb2.HealthCheckRequest(), timeout=10)


async def test_only_the_option_leads_calls_to_the_proxy(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        running("codec", tiny_folder) as service,
        running_connect_proxy(codec=service.address) as proxy,
    ):
        monkeypatch.setenv("https_proxy", proxy.url)
        with pytest.raises(grpc.aio.AioRpcError):
            await check(Dialer())
        assert proxy.asked == []
        await check(Dialer(grpc_proxy="environment"))
        assert proxy.asked == ["codec.example:443"]


async def test_stream_error_names_a_dead_proxy(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", DEAD)
    stages = {stage: f"{stage}.example:443" for stage in STAGES}
    options = {"grpc_proxy": "environment", "replica_wait_seconds": 0.0, **stages}
    async with running("orchestrator", tiny_folder, **options) as service:
        request = speech_pb2.SynthesizeRequest(text="Hello.")
        speak = service.channel.unary_stream(
            "/barkserve.v1.SpeechService/Synthesize",
            request_serializer=speech_pb2.SynthesizeRequest.SerializeToString,
        )
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            async for _ in speak(request, timeout=60):
                pass
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    details = caught.value.details() or ""
    assert "through the proxy http://127.0.0.1:1 of https_proxy" in details
    assert "secret" not in details
