"""Roles by certificate: only the orchestrator's may call the stages."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health_pb2

from barkclient._internal.server_status import keep_server_status
from barkserve.config.orchestrator import OrchestratorOptions
from barkserve.config.stages import CodecOptions
from barkserve.errors import StartupError
from barkserve.external import orca_pb2, orca_pb2_grpc
from barkserve.serving.audit import AUDIT_LOGGER
from barkserve.serving.auth.access_control import open_access_control
from barkserve.serving.channel import Dialer
from barkserve.serving.health import health_check
from barkserve.serving.tls import TlsFiles
from barkserve.v1 import codec_pb2, codec_pb2_grpc
from fixtures.checkpoints import TINY, CheckpointSpec
from tests.support.certificates import Authority, Files
from tests.support.services import running
from tests.support.token_files import bearer, write_tokens

ORCHESTRATOR = "bark-orchestrator.speech.svc"
AUTOSCALER = "spiffe://example.org/speech/autoscaler"
ROLES = f"call-stages={ORCHESTRATOR}, operate=spiffe://example.org/*/autoscaler"
DENIED = grpc.StatusCode.PERMISSION_DENIED
OK = grpc.StatusCode.OK

Folder = Callable[[CheckpointSpec], Path]


def tls_options(files: Files) -> dict[str, str]:
    return {"tls_cert": files.certificate, "tls_key": files.key, "tls_ca": files.ca}


async def decode(channel: grpc.aio.Channel) -> grpc.StatusCode:
    """Decode four frames; returns the status."""
    frames = codec_pb2.DecodeRequest()
    frames.frames.codes.extend(int(code) for code in np.zeros(4 * 8, np.int64))
    requests = [codec_pb2.DecodeRequest(config=codec_pb2.CodecConfig()), frames]
    method = keep_server_status(codec_pb2_grpc.CodecServiceStub(channel).Decode)
    call = method(iter(requests), timeout=60)
    try:
        async for _ in call:
            pass
    except grpc.aio.AioRpcError as error:
        return error.code()
    return await call.code()


async def read_load(channel: grpc.aio.Channel) -> grpc.StatusCode:
    """Read one load report; returns the status."""
    stub: Any = orca_pb2_grpc.OpenRcaServiceStub(channel)
    call = stub.StreamCoreMetrics(orca_pb2.OrcaLoadReportRequest(), timeout=60)
    try:
        await call.read()
    except grpc.aio.AioRpcError as error:
        return error.code()
    call.cancel()
    return OK


async def test_stage_serves_only_the_orchestrator(
    checkpoint_of: Folder, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", AUDIT_LOGGER)
    authority = Authority(tmp_path)
    options = tls_options(authority.issue("codec")) | {"certificate_roles": ROLES}
    cases = [
        (authority.issue("orchestrator", ORCHESTRATOR), OK, OK),
        (authority.issue("autoscaler", "bark-autoscaler", uri=AUTOSCALER), DENIED, OK),
        (authority.issue("web", "web.example.org"), DENIED, DENIED),
    ]
    async with running("codec", checkpoint_of(TINY), **options) as service:
        for files, decoding, reading in cases:
            dialer = Dialer(TlsFiles(files.certificate, files.key, files.ca))
            async with dialer.open(service.address) as channel:
                assert await decode(channel) is decoding, files
                assert await read_load(channel) is reading, files
                health = await health_check(channel)(health_pb2.HealthCheckRequest())
                assert health.status == health_pb2.HealthCheckResponse.SERVING
    refused = [json.loads(record.message) for record in caplog.records]
    assert [(line["event"], line["method"].rpartition("/")[2]) for line in refused] == [
        ("caller_refused", "Decode"),
        ("caller_refused", "Decode"),
        ("caller_refused", "StreamCoreMetrics"),
    ]
    assert "'call-stages', which bark-autoscaler does not have" in refused[0]["reason"]


async def test_token_or_certificate_authenticates_a_caller(
    checkpoint_of: Folder, tmp_path: Path
) -> None:
    authority = Authority(tmp_path)
    options = tls_options(authority.issue("orchestrator")) | {
        "certificate_roles": "operate=bark-autoscaler",
        "auth_tokens": write_tokens(tmp_path / "tokens.toml", "app speak"),
    }
    unauthenticated = grpc.StatusCode.UNAUTHENTICATED
    cases: list[tuple[str, Any, grpc.StatusCode]] = [
        ("bark-autoscaler", None, OK),
        ("bark-autoscaler", bearer("app"), DENIED),  # a token counts more
        ("web.example.org", None, unauthenticated),
        ("web.example.org", bearer("wrong"), unauthenticated),
    ]
    async with running("orchestrator", checkpoint_of(TINY), **options) as service:
        for name, metadata, expected in cases:
            files = authority.issue("client", name)
            dialer = Dialer(TlsFiles(files.certificate, files.key, files.ca))
            async with dialer.open(service.address) as channel:
                status = channel.unary_unary("/barkserve.v1.StatusService/GetStatus")
                assert await status(b"", metadata=metadata).code() is expected, name


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (CodecOptions(tls_ca="ca.crt"), "a stage with --tls-ca needs --certificate-roles"),
        (CodecOptions(certificate_roles="operate=x"), "give --tls-ca too"),
        (
            OrchestratorOptions(tls_ca="ca.crt", tls_clients="anyone", certificate_roles="speak=x"),
            "give --tls-ca too",
        ),
        (CodecOptions(tls_ca="ca.crt", certificate_roles="x"), "'x' is not ROLE=NAME"),
        (CodecOptions(tls_ca="ca.crt", certificate_roles="boss=x"), "'boss=x' is not ROLE=NAME"),
        (CodecOptions(tls_ca="ca.crt", certificate_roles="speak=x,"), "'' is not ROLE=NAME"),
    ],
)
def test_wrong_certificate_roles_are_named(options: CodecOptions, message: str) -> None:
    with pytest.raises(StartupError, match=message):
        open_access_control(options)
