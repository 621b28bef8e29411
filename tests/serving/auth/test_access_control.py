"""Every RPC of the public services needs a token and a role; limits are those of the caller."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import MethodDescriptor
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from barkserve.constants import STAGES
from barkserve.errors import PermissionDenied, StartupError
from barkserve.external import riva_tts_pb2, riva_tts_pb2_grpc
from barkserve.services import service_named
from barkserve.serving.auth.method_roles import METHOD_ROLES, check_method
from barkserve.serving.caller import ALL_ROLES, Caller, Role
from barkserve.serving.health import health_check
from barkserve.v1 import speech_pb2, speech_pb2_grpc
from fixtures.checkpoints import TINY, CheckpointSpec
from tests.support.identity_provider import AUDIENCE, ISSUER, IdentityProvider
from tests.support.services import RunningService, running, running_chain
from tests.support.token_files import bearer, write_tokens

PUBLIC = ["orchestrator", "autoscaler"]
HEALTH = "grpc.health.v1.Health"
Folder = Callable[[CheckpointSpec], Path]


async def heard(call: Any) -> list[Any]:
    return [response async for response in call]


async def methods(service: RunningService, metadata: Any) -> list[MethodDescriptor]:
    """All methods of a running service, without health checks."""
    stub = reflection_pb2_grpc.ServerReflectionStub(service.channel)
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    replies = [
        reply async for reply in stub.ServerReflectionInfo(iter([request]), metadata=metadata)
    ]
    names = [each.name for each in replies[0].list_services_response.service]
    pool = descriptor_pool.Default()
    return [
        method
        for name in names
        if name != HEALTH
        for method in pool.FindServiceByName(name).methods
    ]


def path_of(method: MethodDescriptor) -> str:
    return f"/{method.containing_service.full_name}/{method.name}"


async def no_requests() -> AsyncIterator[bytes]:
    return
    yield b""


async def refusal(service: RunningService, method: MethodDescriptor, metadata: Any) -> Any:
    """Call a method with an empty request and return its error."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call(service.channel, method, metadata)
    return caught.value


async def call(channel: grpc.aio.Channel, method: MethodDescriptor, metadata: Any) -> None:
    """Call a method with an empty request, or none, and read all responses."""
    path = path_of(method)
    if method.client_streaming:
        responses = channel.stream_stream(path)(no_requests(), metadata=metadata, timeout=30)
    elif method.server_streaming:
        responses = channel.unary_stream(path)(b"", metadata=metadata, timeout=30)
    else:
        await channel.unary_unary(path)(b"", metadata=metadata, timeout=30)
        return
    async for _ in responses:
        pass


@pytest.mark.parametrize("name", PUBLIC)
async def test_every_method_needs_a_token_and_a_role(
    checkpoint_of: Folder, tmp_path: Path, name: str
) -> None:
    callers = ["all " + " ".join(Role), *(f"{role} {role}" for role in Role)]
    tokens = write_tokens(tmp_path / "tokens.toml", *callers)
    async with running(name, checkpoint_of(TINY), auth_tokens=tokens) as service:
        listed = await methods(service, bearer("all"))
        assert {path_of(method) for method in listed} <= METHOD_ROLES.keys()
        for method in listed:
            error = await refusal(service, method, None)
            assert error.code() is grpc.StatusCode.UNAUTHENTICATED, method.full_name
            assert "authorization: Bearer TOKEN" in error.details()
            error = await refusal(service, method, bearer("unknown"))
            assert error.code() is grpc.StatusCode.UNAUTHENTICATED, method.full_name
            for role in ALL_ROLES - METHOD_ROLES[path_of(method)]:
                error = await refusal(service, method, bearer(role))
                assert error.code() is grpc.StatusCode.PERMISSION_DENIED, method.full_name
                assert any(repr(str(allowed)) in error.details() for allowed in Role)
        health = await health_check(service.channel)(health_pb2.HealthCheckRequest())
        assert health.status == health_pb2.HealthCheckResponse.SERVING


async def test_table_has_no_unknown_methods(checkpoint_of: Folder, tmp_path: Path) -> None:
    tokens = write_tokens(tmp_path / "tokens.toml", "all speak manage-voices operate")
    known = set()
    for name in PUBLIC:
        async with running(name, checkpoint_of(TINY), auth_tokens=tokens) as service:
            known |= {path_of(method) for method in await methods(service, bearer("all"))}
    pool = descriptor_pool.Default()
    for stage in STAGES:
        service_of_stage = pool.FindServiceByName(service_named(stage).full_name)
        known |= {path_of(method) for method in service_of_stage.methods}
    assert known == METHOD_ROLES.keys()


def test_method_outside_the_table_is_denied() -> None:
    with pytest.raises(PermissionDenied, match="Invented is not open to any role"):
        check_method(Caller("bot", ALL_ROLES), "/barkserve.v1.SpeechService/Invented")


@pytest.mark.parametrize(
    "metadata",
    [
        (("authorization", "bot-token"),),
        (("authorization", "Basic bot-token"),),
        (("authorization", "Bearer "),),
        (("authorization", "Bearer bot-token"), ("authorization", "Bearer bot-token")),
        (("x-api-key", "bot-token"),),
    ],
)
async def test_malformed_token_is_refused(
    checkpoint_of: Folder, tmp_path: Path, metadata: Any
) -> None:
    tokens = write_tokens(tmp_path / "tokens.toml", "bot speak")
    async with running("orchestrator", checkpoint_of(TINY), auth_tokens=tokens) as service:
        stub = speech_pb2_grpc.SpeechServiceStub(service.channel)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.GetServerInfo(speech_pb2.GetServerInfoRequest(), metadata=metadata)
        assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_tokens_and_json_web_tokens_work_together(
    checkpoint_of: Folder, tmp_path: Path
) -> None:
    tokens = write_tokens(tmp_path / "tokens.toml", "bot speak")
    provider = IdentityProvider()
    with provider.serving():
        options = dict(
            auth_tokens=tokens,
            auth_jwks=provider.url,
            auth_issuer=ISSUER,
            auth_audience=AUDIENCE,
        )
        async with running("orchestrator", checkpoint_of(TINY), **options) as service:
            stub = speech_pb2_grpc.SpeechServiceStub(service.channel)
            for metadata in (bearer("bot"), (("authorization", f"Bearer {provider.token()}"),)):
                await stub.ListVoices(speech_pb2.ListVoicesRequest(), metadata=metadata)
                with pytest.raises(grpc.aio.AioRpcError, match="PERMISSION_DENIED"):
                    await stub.DeleteVoice(speech_pb2.DeleteVoiceRequest(), metadata=metadata)


@pytest.mark.parametrize(
    "options",
    [
        {"auth_jwks": "https://login.example/jwks"},
        {"auth_jwks": "https://login.example/jwks", "auth_issuer": ISSUER},
        {"auth_issuer": ISSUER},
        {"auth_audience": AUDIENCE},
    ],
)
async def test_incomplete_options_are_refused(
    checkpoint_of: Folder, options: dict[str, str]
) -> None:
    with pytest.raises(StartupError, match="--auth-issuer and --auth-audience"):
        async with running("orchestrator", checkpoint_of(TINY), **options):
            pass


def retry_after_s(error: grpc.aio.AioRpcError | status_pb2.Status) -> float:
    """The delay that an error asks for."""
    if isinstance(error, grpc.aio.AioRpcError):
        details = dict(error.trailing_metadata() or ())["grpc-status-details-bin"]
        error = status_pb2.Status.FromString(details)
    retry = error_details_pb2.RetryInfo()
    assert error.details[0].Unpack(retry)
    return float(retry.retry_delay.ToNanoseconds() / 1e9)


async def test_requests_per_second_are_limited_for_each_caller(
    checkpoint_of: Folder, tmp_path: Path
) -> None:
    limits = {"slow": "requests_per_second = 0.01"}
    tokens = write_tokens(tmp_path / "tokens.toml", "slow speak", "other speak", **limits)
    async with running("orchestrator", checkpoint_of(TINY), auth_tokens=tokens) as service:
        stub = speech_pb2_grpc.SpeechServiceStub(service.channel)
        request = speech_pb2.GetServerInfoRequest()
        await stub.GetServerInfo(request, metadata=bearer("slow"))
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.GetServerInfo(request, metadata=bearer("slow"))
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "slow may make 0.01 requests per second" in caught.value.details()
        assert 50 < retry_after_s(caught.value) <= 100
        for _ in range(20):
            await stub.GetServerInfo(request, metadata=bearer("other"))


async def test_default_limits_hold_without_authentication(checkpoint_of: Folder) -> None:
    options = {"caller_requests_per_second": 0.01}
    async with running("orchestrator", checkpoint_of(TINY), **options) as service:
        stub = speech_pb2_grpc.SpeechServiceStub(service.channel)
        await stub.GetServerInfo(speech_pb2.GetServerInfoRequest())
        with pytest.raises(grpc.aio.AioRpcError, match=r"127\.0\.0\.1 may make"):
            await stub.GetServerInfo(speech_pb2.GetServerInfoRequest())


async def test_characters_are_counted_in_every_rpc_that_speaks(
    checkpoint_of: Folder, tmp_path: Path
) -> None:
    limits = {"bot": "characters_per_minute = 60", "other": "characters_per_minute = 60"}
    tokens = write_tokens(tmp_path / "tokens.toml", "bot speak", "other speak", **limits)
    async with running_chain(checkpoint_of(TINY), auth_tokens=tokens) as chain:
        stub, bot = chain.speech, bearer("bot")
        riva = riva_tts_pb2_grpc.RivaSpeechSynthesisStub(chain.services["orchestrator"].channel)
        config = speech_pb2.StreamingConfig()
        await heard(stub.Synthesize(speech_pb2.SynthesizeRequest(text="a" * 20), metadata=bot))
        requests = [
            speech_pb2.StreamingSynthesizeRequest(config=config),
            speech_pb2.StreamingSynthesizeRequest(text="a" * 10),
            speech_pb2.StreamingSynthesizeRequest(utf8=b"a" * 10),
        ]
        await heard(stub.StreamingSynthesize(iter(requests), metadata=bot))
        await riva.Synthesize(riva_tts_pb2.SynthesizeSpeechRequest(text="a" * 15), metadata=bot)

        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await heard(stub.Synthesize(speech_pb2.SynthesizeRequest(text="a" * 60), metadata=bot))
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "bot has sent the 60 characters" in caught.value.details()
        assert 0 < retry_after_s(caught.value) <= 55
        requests[1].text = "a" * 60
        last = (await heard(stub.StreamingSynthesize(iter(requests[:2]), metadata=bot)))[-1]
        assert last.error.code == grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]
        assert 0 < retry_after_s(last.error) <= 55
        with pytest.raises(grpc.aio.AioRpcError, match="may send 60 per minute"):
            await heard(stub.Synthesize(speech_pb2.SynthesizeRequest(text="a" * 61), metadata=bot))
        # Another caller has characters of its own.
        request = speech_pb2.SynthesizeRequest(text="a" * 60)
        assert (await heard(stub.Synthesize(request, metadata=bearer("other"))))[-1].finished


async def test_streams_are_limited_for_each_caller(checkpoint_of: Folder, tmp_path: Path) -> None:
    tokens = write_tokens(tmp_path / "t", "bot speak", "other speak", bot="streams = 2")
    async with running_chain(checkpoint_of(TINY), auth_tokens=tokens) as chain:
        stub = chain.speech
        config = speech_pb2.StreamingSynthesizeRequest()
        config.config.options.text = "Hello."

        async def three_contexts(name: str) -> list[int]:
            """The codes of the contexts that fail."""
            call = stub.StreamingSynthesize(metadata=bearer(name))
            for id_ in "abc":
                config.context_id = id_
                await call.write(config)
            await call.done_writing()
            messages = await heard(call)
            return [each.error.code for each in messages if each.HasField("error")]

        for _ in range(2):  # streams that have ended do not count
            assert await three_contexts("bot") == [grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]]
        assert await three_contexts("other") == []


def audit_lines(caplog: pytest.LogCaptureFixture) -> Iterator[dict[str, Any]]:
    """The audit log so far."""
    for record in caplog.records:
        if record.name == "barkserve.audit":
            yield json.loads(record.getMessage())


async def test_changes_of_voices_are_audited(
    checkpoint_of: Folder, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    tokens = write_tokens(tmp_path / "tokens.toml", "editor manage-voices")
    options = {"auth_tokens": tokens, "voice_store": str(tmp_path / "voices")}
    async with running("orchestrator", checkpoint_of(TINY), **options) as service:
        stub = speech_pb2_grpc.SpeechServiceStub(service.channel)
        listed = await stub.ListVoices(speech_pb2.ListVoicesRequest(), metadata=bearer("editor"))
        create = speech_pb2.CreateVoiceRequest(name="mine", replace=True)
        create.source.name = listed.voices[0].name
        for number in "12":
            await stub.CreateVoice(create, metadata=(*bearer("editor"), ("x-request-id", number)))
        create.replace = False
        with pytest.raises(grpc.aio.AioRpcError, match="ALREADY_EXISTS"):
            await stub.CreateVoice(create, metadata=bearer("editor"))
        request = speech_pb2.DeleteVoiceRequest(name="mine")
        await stub.DeleteVoice(request, metadata=(*bearer("editor"), ("x-request-id", "3")))
    common = {"caller": "editor", "voice": "mine"}
    assert list(audit_lines(caplog)) == [
        {"event": "voice_created", **common, "request_id": "1"},
        {"event": "voice_replaced", **common, "request_id": "2"},
        {"event": "voice_deleted", **common, "request_id": "3"},
    ]


async def test_keeping_a_voice_needs_the_role(
    checkpoint_of: Folder, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "barkserve.audit")
    tokens = write_tokens(tmp_path / "t", "bot speak", "editor speak manage-voices")
    options = {"auth_tokens": tokens, "voice_store": str(tmp_path / "voices")}
    async with running_chain(checkpoint_of(TINY), **options) as chain:
        request = speech_pb2.SynthesizeRequest(text="Hello.", keep_voice=True)
        with pytest.raises(grpc.aio.AioRpcError, match="keep_voice needs the role 'manage-voices'"):
            await heard(chain.speech.Synthesize(request, metadata=bearer("bot")))
        config = speech_pb2.StreamingConfig(options=request)
        opened = iter([speech_pb2.StreamingSynthesizeRequest(config=config)])
        (failed,) = await heard(chain.speech.StreamingSynthesize(opened, metadata=bearer("bot")))
        assert failed.error.code == grpc.StatusCode.PERMISSION_DENIED.value[0]
        kept = (await heard(chain.speech.Synthesize(request, metadata=bearer("editor"))))[-1]
        assert kept.finished.voice_handle or kept.finished.voice_handle_error
    service = "/barkserve.v1.SpeechService/"
    assert [(line["code"], line["method"]) for line in audit_lines(caplog)] == [
        ("PERMISSION_DENIED", f"{service}Synthesize"),
        ("PERMISSION_DENIED", f"{service}StreamingSynthesize"),
    ]
    assert all("keep_voice needs" in line["reason"] for line in audit_lines(caplog))


async def test_refused_callers_are_audited_and_floods_are_counted(
    checkpoint_of: Folder, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    tokens = write_tokens(tmp_path / "tokens.toml", "bot speak")
    async with running("orchestrator", checkpoint_of(TINY), auth_tokens=tokens) as service:
        stub = speech_pb2_grpc.SpeechServiceStub(service.channel)

        async def ask(metadata: Any) -> None:
            with pytest.raises(grpc.aio.AioRpcError):
                await stub.DeleteVoice(speech_pb2.DeleteVoiceRequest(), metadata=metadata)

        await asyncio.gather(*(ask(bearer("secret")) for _ in range(100)))
        await ask(bearer("bot"))
    lines = list(audit_lines(caplog))
    method = "/barkserve.v1.SpeechService/DeleteVoice"
    assert [(line["event"], line["code"], line["method"]) for line in lines] == [
        ("caller_refused", "UNAUTHENTICATED", method),
        ("caller_refused", "PERMISSION_DENIED", method),
    ]
    assert {line["peer"] for line in lines} == {"127.0.0.1"}
    assert "unknown or was revoked" in lines[0]["reason"]
    assert "'manage-voices'" in lines[1]["reason"]
    assert "bot does not have" in lines[1]["reason"]
    assert "secret-token" not in caplog.text
