"""The caller of an RPC that a gateway or a proxy makes for others."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest

from barkserve.serving.audit import AUDIT_LOGGER
from barkserve.serving.channel import Dialer
from barkserve.serving.tls import TlsFiles
from barkserve.v1 import speech_pb2, speech_pb2_grpc
from fixtures.checkpoints import TINY, CheckpointSpec
from tests.support.certificates import Authority, Files
from tests.support.services import running
from tests.support.token_files import bearer, write_tokens

Folder = Callable[[CheckpointSpec], Path]

LIMITED = {"caller_requests_per_second": 0.001}
"""One request, whose refusal then names the caller."""
FOR_ADA = ("x-forwarded-for", "203.0.113.7")


async def caller_of(channel: grpc.aio.Channel, *metadata: tuple[str, str]) -> str:
    """The caller that the server counts an RPC for."""
    stub = speech_pb2_grpc.SpeechServiceStub(channel)
    for _ in range(2):
        try:
            await stub.GetServerInfo(speech_pb2.GetServerInfoRequest(), metadata=metadata)
        except grpc.aio.AioRpcError as error:
            return str(error.details()).partition(" may make")[0]
    raise AssertionError("two requests were accepted")


def tls_options(files: Files) -> dict[str, Any]:
    return {"tls_cert": files.certificate, "tls_key": files.key, "tls_ca": files.ca} | LIMITED


async def test_trusted_peer_names_its_caller(checkpoint_of: Folder) -> None:
    async with running("orchestrator", checkpoint_of(TINY), **LIMITED) as service:
        assert await caller_of(service.channel, FOR_ADA) == "203.0.113.7"
        assert await caller_of(service.channel, ("x-forwarded-for", "unknown")) == "127.0.0.1"


async def test_other_peers_cannot_name_a_caller(checkpoint_of: Folder) -> None:
    options = LIMITED | {"trusted_proxies": "10.0.0.0/8"}
    async with running("orchestrator", checkpoint_of(TINY), **options) as service:
        assert await caller_of(service.channel, FOR_ADA) == "127.0.0.1"


@pytest.mark.parametrize(
    ("roles", "caller"),
    [
        ("", "203.0.113.7"),  # every certificate has every role
        ("speak=*,forward=bark-gateway", "203.0.113.7"),
        ("speak=*", "bark-gateway"),
    ],
)
async def test_certificate_with_the_role_names_its_caller(
    checkpoint_of: Folder, tmp_path: Path, roles: str, caller: str
) -> None:
    authority = Authority(tmp_path)
    options = tls_options(authority.issue("server")) | {
        "certificate_roles": roles,
        "trusted_proxies": "",
    }
    files = authority.issue("gateway", "bark-gateway")
    dialer = Dialer(TlsFiles(files.certificate, files.key, files.ca))
    async with (
        running("orchestrator", checkpoint_of(TINY), **options) as service,
        dialer.open(service.address) as channel,
    ):
        assert await caller_of(channel, FOR_ADA) == caller


async def test_caller_of_a_token_is_the_tokens(checkpoint_of: Folder, tmp_path: Path) -> None:
    tokens = write_tokens(tmp_path / "tokens.toml", "ada speak")
    options = LIMITED | {"auth_tokens": tokens}
    async with running("orchestrator", checkpoint_of(TINY), **options) as service:
        assert await caller_of(service.channel, FOR_ADA, *bearer("ada")) == "ada"


async def test_forwarded_call_without_a_token_is_refused(
    checkpoint_of: Folder, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A gateway that may only forward lends its callers no role. The audit log names the caller."""
    caplog.set_level("INFO", AUDIT_LOGGER)
    authority = Authority(tmp_path)
    options = tls_options(authority.issue("server")) | {
        "certificate_roles": "forward=bark-gateway",
        "auth_tokens": write_tokens(tmp_path / "tokens.toml", "ada speak"),
    }
    files = authority.issue("gateway", "bark-gateway")
    dialer = Dialer(TlsFiles(files.certificate, files.key, files.ca))
    async with (
        running("orchestrator", checkpoint_of(TINY), **options) as service,
        dialer.open(service.address) as channel,
    ):
        stub = speech_pb2_grpc.SpeechServiceStub(channel)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.GetServerInfo(speech_pb2.GetServerInfoRequest(), metadata=(FOR_ADA,))
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
    (line,) = (json.loads(record.message) for record in caplog.records)
    assert line["peer"] == "203.0.113.7"
