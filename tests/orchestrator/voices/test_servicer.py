"""The voice RPCs on several replicas: list, create, delete, and continue an earlier voice."""

import asyncio
import io
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import pytest_asyncio
from google.rpc import error_details_pb2, status_pb2

from barkserve.checkpoint import similar_names
from barkserve.checkpoint.voice_card import VoiceCard
from barkserve.constants import STAGES
from barkserve.orchestrator.voices.store import VoiceStore
from barkserve.v1 import common_pb2, speech_pb2, speech_pb2_grpc
from fixtures.checkpoints import TINY, CheckpointSpec, random_voice
from tests.support.fakes import until
from tests.support.services import running, running_chain

Selection = speech_pb2.VoiceSelection
Create = speech_pb2.CreateVoiceRequest
OWNED = "belongs to the checkpoint"
PRESETS = ["v2/test_speaker_0", "v2/test_speaker_1"]


@dataclass
class Replicas:
    """Two orchestrators over the same stages and the same voice store."""

    first: Any
    second: Any


@pytest_asyncio.fixture
async def replicas(
    checkpoint_of: Callable[[CheckpointSpec], Path], tmp_path: Path
) -> AsyncIterator[Replicas]:
    checkpoint, store = checkpoint_of(TINY), str(tmp_path / "voices")
    async with AsyncExitStack() as stack:
        chain = await stack.enter_async_context(
            running_chain(checkpoint, voice_store=store, max_stored_voices=2)
        )
        stages = {stage: chain.services[stage].address for stage in STAGES}
        second = await stack.enter_async_context(
            running("orchestrator", checkpoint, voice_store=store, **stages)
        )
        yield Replicas(chain.speech, speech_pb2_grpc.SpeechServiceStub(second.channel))


async def names(speech: Any, language: str = "") -> list[str]:
    listed = await speech.ListVoices(speech_pb2.ListVoicesRequest(language_code=language))
    return [voice.name for voice in listed.voices]


async def spoken(speech: Any, **fields: Any) -> tuple[bytes, speech_pb2.SynthesisFinished]:
    request = speech_pb2.SynthesizeRequest(text="hello world", seed=3, **fields)
    responses = [response async for response in speech.Synthesize(request)]
    return b"".join(response.audio.audio for response in responses), responses[-1].finished


async def error_of(call: Any) -> grpc.aio.AioRpcError:
    async def finish() -> None:
        if hasattr(call, "__aiter__"):
            _ = [response async for response in call]
        else:
            await call

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await finish()
    return caught.value


def npz() -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **random_voice(TINY, 50, seed=5))
    return stream.getvalue()


async def test_create_voice_accepts_handles_on_any_replica(
    replicas: Replicas,
) -> None:
    _, finished = await spoken(replicas.first, keep_voice=True, return_voice=True)
    by_handle = Selection(handle=finished.voice_handle)
    expected, _ = await spoken(
        replicas.second, voice=Selection(history_prompt=finished.voice), return_voice=True
    )
    assert (await spoken(replicas.second, voice=by_handle))[0] == expected
    create = Create(name="mine", source=by_handle, description="d", language_code="en-GB")
    created = await replicas.second.CreateVoice(create)
    assert created.voice == speech_pb2.Voice(
        name="mine", language_code="en-GB", description="d", origin=speech_pb2.VOICE_ORIGIN_STORED
    )
    assert (await spoken(replicas.first, voice=Selection(name="mine")))[0] == expected
    described = await replicas.first.GetVoice(
        speech_pb2.GetVoiceRequest(name="mine", include_history_prompt=True)
    )
    assert described.voice == created.voice
    assert described.history_prompt == finished.voice
    copy = await replicas.second.CreateVoice(Create(name="copy", source=Selection(name="mine")))
    assert copy.voice.language_code == "en-GB"


async def test_created_and_deleted_voices_are_seen_by_all_replicas(replicas: Replicas) -> None:
    first, second = replicas.first, replicas.second
    await first.CreateVoice(Create(name="ann", source=Selection(npz=npz()), language_code="de"))
    await second.CreateVoice(Create(name="z", source=Selection(name=PRESETS[1])))
    assert await names(second) == ["ann", *PRESETS, "z"]
    assert await names(first, "de") == ["ann"]
    full = await error_of(first.CreateVoice(Create(name="more", source=Selection(npz=npz()))))
    assert full.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    quota = error_details_pb2.QuotaFailure()
    details = dict(full.trailing_metadata() or ())["grpc-status-details-bin"]
    assert status_pb2.Status.FromString(details).details[0].Unpack(quota)
    await second.DeleteVoice(speech_pb2.DeleteVoiceRequest(name="ann"))
    assert await names(first) == [*PRESETS, "z"]
    gone = await error_of(second.Synthesize(speech_pb2.SynthesizeRequest(
        text="hello", voice=Selection(name="ann"),
    )))  # fmt: skip
    assert gone.code() is grpc.StatusCode.NOT_FOUND


async def test_voices_are_described(replicas: Replicas) -> None:
    listed = await replicas.first.ListVoices(speech_pb2.ListVoicesRequest())
    assert listed.voices[0] == speech_pb2.Voice(
        name=PRESETS[0], is_default=True, origin=speech_pb2.VOICE_ORIGIN_CHECKPOINT
    )
    described = await replicas.first.GetVoice(
        speech_pb2.GetVoiceRequest(name=PRESETS[0], include_history_prompt=True)
    )
    assert described.voice == listed.voices[0]
    assert len(described.history_prompt.fine_prompt) > 0


@pytest.mark.parametrize(
    ("request_", "code", "message"),
    [
        (Create(name="../x", source=Selection(npz=npz())), "INVALID_ARGUMENT", "name: must have"),
        (
            Create(name="x.npz", source=Selection(npz=npz())),
            "INVALID_ARGUMENT",
            "must not end in .npz",
        ),
        (Create(name="x"), "INVALID_ARGUMENT", "source: must be"),
        (Create(name="x", source=Selection(name="none")), "INVALID_ARGUMENT", "source.name"),
        (Create(name="x", source=Selection(npz=b"PK")), "INVALID_ARGUMENT", "source.npz"),
        (
            Create(
                name="x",
                source=Selection(history_prompt=common_pb2.HistoryPrompt(coarse_prompt=[1])),
            ),
            "INVALID_ARGUMENT",
            "source.history_prompt.coarse_prompt",
        ),
        (Create(name="x", source=Selection(npz=npz()), language_code="?"), "INVALID_ARGUMENT", "l"),
        (
            Create(name="x", source=Selection(npz=npz()), description="x" * 501),
            "INVALID_ARGUMENT",
            "description",
        ),
        (Create(name="x", source=Selection(name="unknown")), "NOT_FOUND", "unknown"),
        (Create(name="x", source=Selection(handle="nothing")), "NOT_FOUND", "handle"),
        (
            Create(name="none", source=Selection(npz=npz())),
            "ALREADY_EXISTS",
            OWNED,
        ),
        (
            Create(name=PRESETS[0], source=Selection(npz=npz()), replace=True),
            "ALREADY_EXISTS",
            OWNED,
        ),
        (
            speech_pb2.DeleteVoiceRequest(name=PRESETS[0]),
            "FAILED_PRECONDITION",
            OWNED,
        ),
        (speech_pb2.DeleteVoiceRequest(name="unknown"), "NOT_FOUND", "unknown"),
        (speech_pb2.GetVoiceRequest(name="v2/test_speaker"), "NOT_FOUND", PRESETS[1]),
    ],
)
async def test_voice_rpcs_report_errors(
    request_: Any,
    code: str,
    message: str,
    checkpoint_of: Callable[[CheckpointSpec], Path],
    tmp_path: Path,
) -> None:
    async with running("orchestrator", checkpoint_of(TINY), voice_store=str(tmp_path)) as service:
        method = type(request_).__name__.removesuffix("Request")
        speech = speech_pb2_grpc.SpeechServiceStub(service.channel)
        error = await error_of(getattr(speech, method)(request_))
    assert (error.code().name, message in (error.details() or "")) == (code, True), error.details()
    assert os.listdir(tmp_path) == []


async def test_kept_voices_count_toward_the_limit(replicas: Replicas) -> None:
    """A full store rejects keep_voice before it speaks, and a kept voice takes a place."""
    await replicas.first.CreateVoice(Create(name="ann", source=Selection(npz=npz())))
    _, finished = await spoken(replicas.first, keep_voice=True)
    assert finished.voice_handle
    keep = speech_pb2.SynthesizeRequest(text="hello world", keep_voice=True)
    for call in (
        replicas.first.Synthesize(keep),
        replicas.first.CreateVoice(Create(name="bob", source=Selection(npz=npz()))),
    ):
        error = await error_of(call)
        assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "1 with a handle" in (error.details() or "")
        assert "--max-stored-voices" in (error.details() or "")


async def test_concurrent_create_voice_calls_keep_to_the_limit(replicas: Replicas) -> None:
    calls = [
        replicas.first.CreateVoice(Create(name=f"voice{number}", source=Selection(npz=npz())))
        for number in range(12)
    ]
    results = await asyncio.gather(*calls, return_exceptions=True)
    failed = [result for result in results if isinstance(result, grpc.aio.AioRpcError)]
    assert {error.code() for error in failed} == {grpc.StatusCode.RESOURCE_EXHAUSTED}
    assert len(failed) == 10
    assert len(await names(replicas.first)) == len(PRESETS) + 2


async def test_odd_files_in_the_store_do_not_block_voice_rpcs(
    checkpoint_of: Callable[[CheckpointSpec], Path],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (tmp_path / "loop.npz").symlink_to("loop.npz")
    os.mkfifo(tmp_path / "fifo.npz")
    (tmp_path / "folder.npz").mkdir()
    (tmp_path / "v2").mkdir()
    for name in ("good.npz", "my voice.npz", "v2/en_speaker_6.npz"):
        (tmp_path / name).write_bytes(npz())
    odd = ("loop", "fifo", "folder")
    async with running("orchestrator", checkpoint_of(TINY), voice_store=str(tmp_path)) as service:
        await until(lambda: "'my voice.npz' is ignored" in caplog.text)  # reported at startup
        speech = speech_pb2_grpc.SpeechServiceStub(service.channel)
        assert await names(speech) == ["good", "v2/en_speaker_6", *PRESETS]
        for name in odd:
            error = await error_of(speech.GetVoice(speech_pb2.GetVoiceRequest(name=name)))
            assert error.code() is grpc.StatusCode.NOT_FOUND
            create = Create(name=name, source=Selection(npz=npz()))
            error = await error_of(speech.CreateVoice(create))
            assert error.code() is grpc.StatusCode.UNAVAILABLE
            assert f"{name}.npz is not a regular file" in (error.details() or "")
        await speech.CreateVoice(Create(name="ann", source=Selection(npz=npz())))
    warnings = [each for each in caplog.messages if "ignored" in each]
    assert sorted(each.split("'")[1] for each in warnings) == [
        *("fifo.npz", "folder.npz/", "loop.npz", "my voice.npz"),
    ]


async def test_unknown_names_share_one_listing_of_the_store(
    checkpoint_of: Callable[[CheckpointSpec], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Unknown names cost a bounded number of comparisons and listings, however many arrive."""
    for number in range(300):
        (tmp_path / f"voice{number}.npz").write_bytes(npz())
    listings, compared = [], []
    list_cards, similarity = VoiceStore.cards, similar_names._similarity

    def counted_cards(store: VoiceStore) -> list[VoiceCard]:
        listings.append(store)
        return list_cards(store)

    def counted_similarity(pairs: frozenset[str], other: str) -> float:
        compared.append(other)
        return similarity(pairs, other)

    monkeypatch.setattr(VoiceStore, "cards", counted_cards)
    monkeypatch.setattr(similar_names, "_similarity", counted_similarity)
    async with running("orchestrator", checkpoint_of(TINY), voice_store=str(tmp_path)) as service:
        speech = speech_pb2_grpc.SpeechServiceStub(service.channel)
        unknown = [f"voice{number}x" for number in range(20)] + ["x" * 100_000] * 20
        calls = [speech.GetVoice(speech_pb2.GetVoiceRequest(name=name)) for name in unknown]
        errors = [await error_of(call) for call in calls]
        assert {error.code() for error in errors} == {grpc.StatusCode.NOT_FOUND}
        assert "voice7" in (errors[7].details() or "")
        assert len(listings) <= 4  # one every few seconds
        assert len(compared) <= 20 * similar_names.MAX_COMPARED_NAMES
        await speech.CreateVoice(Create(name="brand-new", source=Selection(npz=npz())))
        error = await error_of(speech.GetVoice(speech_pb2.GetVoiceRequest(name="brand-now")))
    assert "brand-new" in (error.details() or "")


async def test_errors_without_a_store_name_the_option(
    checkpoint_of: Callable[[CheckpointSpec], Path],
) -> None:
    async with running("orchestrator", checkpoint_of(TINY)) as service:
        speech = speech_pb2_grpc.SpeechServiceStub(service.channel)
        assert await names(speech) == PRESETS
        for call in (
            speech.CreateVoice(Create(name="x", source=Selection(npz=npz()))),
            speech.DeleteVoice(speech_pb2.DeleteVoiceRequest(name="x")),
            speech.Synthesize(speech_pb2.SynthesizeRequest(text="hello", keep_voice=True)),
            speech.Synthesize(
                speech_pb2.SynthesizeRequest(text="hello", voice=Selection(handle="x"))
            ),
        ):
            error = await error_of(call)
            assert error.code() is grpc.StatusCode.FAILED_PRECONDITION
            assert "--voice-store" in (error.details() or "")
        info = await speech.GetServerInfo(speech_pb2.GetServerInfoRequest())
        assert (info.limits.max_stored_voices, info.limits.voice_handle_seconds) == (0, 0)


async def test_read_only_store_fails_before_synthesis(
    checkpoint_of: Callable[[CheckpointSpec], Path],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (tmp_path / "file").touch()
    store = str(tmp_path / "file" / "voices")
    async with running("orchestrator", checkpoint_of(TINY), voice_store=store) as service:
        await until(lambda: "file is not a folder" in caplog.text)  # also reported at startup
        speech = speech_pb2_grpc.SpeechServiceStub(service.channel)
        error = await error_of(
            speech.Synthesize(speech_pb2.SynthesizeRequest(text="hello", keep_voice=True))
        )
    assert error.code() is grpc.StatusCode.UNAVAILABLE
    assert "file is not a folder" in (error.details() or "")
    assert "Traceback" not in caplog.text


async def test_store_failure_after_synthesis_loses_only_the_handle(
    replicas: Replicas, tmp_path: Path
) -> None:
    call = replicas.first.Synthesize(
        speech_pb2.SynthesizeRequest(text="hello world", seed=3, keep_voice=True, return_voice=True)
    )
    responses = aiter(call)
    assert (await anext(responses)).HasField("started")
    (tmp_path / "voices").mkdir(exist_ok=True)
    (tmp_path / "voices" / "handles").touch()
    finished = [response async for response in responses][-1].finished
    assert (finished.voice_handle, finished.HasField("voice")) == ("", True)
    assert "handles cannot be written" in finished.voice_handle_error
    assert finished.sample_count > 0


async def test_server_info_has_voices_and_limits(replicas: Replicas) -> None:
    info = await replicas.first.GetServerInfo(speech_pb2.GetServerInfoRequest())
    assert (info.model, info.default_voice, info.sample_rate_hertz) == (
        "bark-test",
        PRESETS[0],
        TINY.sample_rate,
    )
    assert list(info.encodings) == list(range(1, 9))
    limits = info.limits
    assert (limits.max_stored_voices, limits.max_voice_bytes) == (2, 1 << 20)
    assert (limits.voice_handle_seconds, limits.max_streams) == (3600, 64)
    assert limits.max_text_characters >= 20_000
    assert (limits.min_sample_rate_hertz, limits.max_sample_rate_hertz) == (8_000, 48_000)
    assert (limits.min_chunk_ms, limits.max_chunk_ms) == (20, 5_000)
    assert (limits.min_speaking_rate, limits.max_speaking_rate) == (0.5, 2)


async def test_expired_handles_are_deleted(
    checkpoint_of: Callable[[CheckpointSpec], Path], tmp_path: Path
) -> None:
    handles = tmp_path / "handles"
    handles.mkdir()
    expired, valid = (handles / f"{time}-{'0' * 32}.npz" for time in ("0000000001", "f" * 10))
    expired.touch()
    valid.touch()
    async with running("orchestrator", checkpoint_of(TINY), voice_store=str(tmp_path)):
        await until(lambda: not expired.exists())
    assert valid.exists()


async def test_stored_voice_can_be_the_default(
    checkpoint_of: Callable[[CheckpointSpec], Path], tmp_path: Path
) -> None:
    options = {"checkpoint": checkpoint_of(TINY), "voice_store": str(tmp_path)}
    async with running("orchestrator", **options) as service:
        speech = speech_pb2_grpc.SpeechServiceStub(service.channel)
        await speech.CreateVoice(Create(name="ann", source=Selection(npz=npz())))
    async with running("orchestrator", voice="ann", **options) as service:
        speech = speech_pb2_grpc.SpeechServiceStub(service.channel)
        listed = await speech.ListVoices(speech_pb2.ListVoicesRequest())
    assert [voice.name for voice in listed.voices if voice.is_default] == ["ann"]
