"""A scripted SpeechService without a model, on a real port."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import grpc
import numpy as np
from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from barkserve.orchestrator.audio.writer import EncodedAudio
from barkserve.orchestrator.session.received import Received
from barkserve.v1 import common_pb2, speech_pb2, speech_pb2_grpc

SAMPLE_RATE = 24000
TEXT = "Hello there"
PCM = [  # three chunks of 16-bit samples, including the extremes
    np.array([0, 1, -1], "<i2"),
    np.array([32767, -32768], "<i2"),
    np.arange(SAMPLE_RATE, dtype="<i2"),
]
SAMPLE_COUNT = sum(map(len, PCM))
VOICE = common_pb2.HistoryPrompt(
    semantic_prompt=[1, 2, 3],
    coarse_prompt=[10, 20, 11, 21],  # two frames
    fine_prompt=[*range(100, 108), *range(200, 208)],
)


class ScriptedSpeech(speech_pb2_grpc.SpeechServiceServicer):
    """Sends the chunks of PCM that `allow` permits, then fails with `failure` or finishes."""

    def __init__(self) -> None:
        self.target = ""
        self.heartbeat_ms = 0  # announced; none is sent
        self.requests: list[speech_pb2.SynthesizeRequest] = []
        self.failure: Failure | None = None
        self.finished = speech_pb2.SynthesisFinished(
            finish_reason=common_pb2.FINISH_REASON_STOP,
            sample_count=SAMPLE_COUNT,
            stages=[common_pb2.StageReport(stage="semantic", output_count=7, compute_ms=1.5)],
        )
        self.finishes = True
        self.words: deque[speech_pb2.WordTimes] = deque()  # one before each chunk
        self.first_samples = [0, 3, 5]
        self.voices = [speech_pb2.Voice(name="announcer", is_default=True)]
        self.voices.append(speech_pb2.Voice(name="v2/en_speaker_6"))
        self.allowed = asyncio.Semaphore(1000)  # chunks that may be sent
        self.called = asyncio.Event()
        self.created: list[speech_pb2.CreateVoiceRequest] = []
        self.info = speech_pb2.GetServerInfoResponse(version="1.2.3", model="bark-mini")
        self.stream_requests: list[speech_pb2.StreamingSynthesizeRequest] = []
        self.cancelled = asyncio.Event()
        self.stream_ended = asyncio.Event()  # a StreamingSynthesize call has no more requests

    def allow(self, chunks: int) -> None:
        """Allow only this number of further chunks."""
        self.allowed = asyncio.Semaphore(chunks)

    async def Synthesize(self, request: speech_pb2.SynthesizeRequest, context: Any) -> None:
        self.requests.append(request)
        self.called.set()
        try:  # written, not yielded: gRPC does not cancel a generator that waits in a yield
            for response in _lacking(self._responses(request), request):
                if response.HasField("audio"):
                    await self.allowed.acquire()
                await context.write(response)
            if self.failure is not None:
                await self.failure.abort(context)
            if self.finishes:
                await context.write(speech_pb2.SynthesizeResponse(finished=self.finished))
        except asyncio.CancelledError:
            self.cancelled.set()
            raise

    async def ListVoices(
        self, request: speech_pb2.ListVoicesRequest, context: Any
    ) -> speech_pb2.ListVoicesResponse:
        if self.failure is not None:
            await self.failure.abort(context)
        return speech_pb2.ListVoicesResponse(voices=self.voices)

    async def GetVoice(
        self, request: speech_pb2.GetVoiceRequest, context: Any
    ) -> speech_pb2.GetVoiceResponse:
        for voice in self.voices:
            if voice.name == request.name:
                prompt = VOICE if request.include_history_prompt else None
                return speech_pb2.GetVoiceResponse(voice=voice, history_prompt=prompt)
        await Failure(grpc.StatusCode.NOT_FOUND, f"no voice {request.name}").abort(context)
        raise AssertionError

    async def CreateVoice(
        self, request: speech_pb2.CreateVoiceRequest, context: Any
    ) -> speech_pb2.CreateVoiceResponse:
        if self.failure is not None:
            await self.failure.abort(context)
        self.created.append(request)
        voice = speech_pb2.Voice(
            name=request.name,
            language_code=request.language_code,
            description=request.description,
            origin=speech_pb2.VOICE_ORIGIN_STORED,
        )
        self.voices.append(voice)
        return speech_pb2.CreateVoiceResponse(voice=voice)

    async def DeleteVoice(
        self, request: speech_pb2.DeleteVoiceRequest, context: Any
    ) -> speech_pb2.DeleteVoiceResponse:
        self.voices = [voice for voice in self.voices if voice.name != request.name]
        return speech_pb2.DeleteVoiceResponse()

    async def GetServerInfo(
        self, request: speech_pb2.GetServerInfoRequest, context: Any
    ) -> speech_pb2.GetServerInfoResponse:
        return self.info

    async def StreamingSynthesize(self, requests: Any, context: Any) -> None:
        """Answer each text at once with one sample per byte, its value.

        The text "fail" fails its context. As in the orchestrator, half-closing the call ends the
        open contexts: when gRPC retries a call, the last request before it may be lost.
        """
        contexts: dict[str, ScriptedContext] = {}
        try:
            async for request in _with_ends(requests):
                self.stream_requests.append(request)
                if request.WhichOneof("request") == "config":
                    contexts[request.context_id] = ScriptedContext()
                state = contexts.get(request.context_id)
                for response in state.answer(request) if state is not None else ():
                    response.context_id = request.context_id
                    await context.write(response)
        finally:
            self.stream_ended.set()

    def _responses(
        self, request: speech_pb2.SynthesizeRequest
    ) -> Iterator[speech_pb2.SynthesizeResponse]:
        encoding = request.audio_format.encoding
        yield speech_pb2.SynthesizeResponse(
            started=speech_pb2.SynthesisStarted(
                request_id=request.request_id or "made-by-server",
                seed=request.seed if request.HasField("seed") else 42,
                voice=request.voice.name or "announcer",
                encoding=encoding,
                sample_rate_hertz=SAMPLE_RATE,
                model="bark-mini",
                heartbeat_ms=self.heartbeat_ms,
            )
        )
        for first_sample, samples in zip(self.first_samples, PCM, strict=True):
            count = len(samples)
            if encoding == speech_pb2.AUDIO_ENCODING_FLOAT32:
                samples = samples.astype("<f4") / 32768
            elif (
                encoding != speech_pb2.AUDIO_ENCODING_PCM16
            ):  # other encodings: one byte per sample
                samples = samples.astype(np.uint8)
            chunk = speech_pb2.AudioChunk(
                audio=samples.tobytes(), first_sample=first_sample, sample_count=count
            )
            chunk.text_span.end = len(request.text)
            if self.words:
                yield speech_pb2.SynthesizeResponse(words=self.words.popleft())
            yield speech_pb2.SynthesizeResponse(audio=chunk)


def _lacking(
    responses: Iterator[speech_pb2.SynthesizeResponse], request: speech_pb2.SynthesizeRequest
) -> Iterator[speech_pb2.SynthesizeResponse]:
    """The responses without what a client that resumes has received, as the orchestrator does."""
    if not request.HasField("resume"):
        yield from responses
        return
    received = Received(request.resume)
    for response in responses:
        if response.HasField("started"):
            response.started.seed = request.resume.started.seed
            response.started.request_id = request.resume.started.request_id
        if response.HasField("audio"):
            chunk = response.audio
            part = received.new_audio(
                EncodedAudio(chunk.audio, chunk.first_sample, chunk.sample_count)
            )
            if part is None:
                continue
            chunk.audio, chunk.first_sample = part.audio, part.first_sample
            chunk.sample_count = part.sample_count
        yield response


async def _with_ends(
    requests: AsyncIterator[speech_pb2.StreamingSynthesizeRequest],
) -> AsyncIterator[speech_pb2.StreamingSynthesizeRequest]:
    """The requests, then an `end` for each context that has had neither `end` nor `cancel`."""
    unended: dict[str, None] = {}
    async for request in requests:
        kind = request.WhichOneof("request")
        if kind in ("end", "cancel"):
            unended.pop(request.context_id, None)
        elif kind == "config":
            unended[request.context_id] = None
        yield request
    for id_ in unended:
        yield speech_pb2.StreamingSynthesizeRequest(context_id=id_, end=speech_pb2.End())


class ScriptedContext:
    """One context of a StreamingSynthesize call."""

    def __init__(self) -> None:
        self.samples = 0

    def answer(
        self, request: speech_pb2.StreamingSynthesizeRequest
    ) -> Iterator[speech_pb2.StreamingSynthesizeResponse]:
        response = speech_pb2.StreamingSynthesizeResponse
        kind = request.WhichOneof("request")
        if kind == "config":
            options = request.config.options
            yield response(
                started=speech_pb2.SynthesisStarted(
                    voice=options.voice.name or "announcer",
                    encoding=options.audio_format.encoding,
                    sample_rate_hertz=SAMPLE_RATE,
                )
            )
        elif kind in ("text", "utf8"):
            yield from self._spoken(request.utf8 or request.text.encode())
        elif kind == "flush":
            flushed = speech_pb2.FlushDone(flush_id=request.flush.flush_id)
            yield response(flush_done=flushed)
        else:
            reason = "CANCELLED" if kind == "cancel" else "STOP"
            finished = speech_pb2.SynthesisFinished(sample_count=self.samples)
            finished.finish_reason = common_pb2.FinishReason.Value(f"FINISH_REASON_{reason}")
            yield response(finished=finished)

    def _spoken(self, utf8: bytes) -> Iterator[speech_pb2.StreamingSynthesizeResponse]:
        response = speech_pb2.StreamingSynthesizeResponse
        if utf8 == b"fail":
            details = bad_request(("text", "no"))
            failure = Failure(grpc.StatusCode.INVALID_ARGUMENT, "text: no", details)
            yield response(error=failure.status)
            return
        samples = np.frombuffer(utf8, np.uint8).astype("<i2")
        chunk = speech_pb2.AudioChunk(
            audio=samples.tobytes(), first_sample=self.samples, sample_count=len(samples)
        )
        self.samples += len(samples)
        yield response(audio=chunk)


class Failure:
    """A status with google.rpc details, as the orchestrator sends it."""

    def __init__(self, code: grpc.StatusCode, message: str, *details: Message) -> None:
        packed = []
        for detail in details:
            packed.append(any_pb2.Any())
            packed[-1].Pack(detail)
        self.status = status_pb2.Status(code=code.value[0], message=message, details=packed)
        self.code, self.message = code, message
        self.metadata: tuple[tuple[str, bytes], ...] = (
            ("grpc-status-details-bin", self.status.SerializeToString()),
        )

    async def abort(self, context: Any) -> None:
        await context.abort(self.code, self.message, trailing_metadata=self.metadata)


def bad_request(*violations: tuple[str, str]) -> Message:
    return error_details_pb2.BadRequest(
        field_violations=[
            error_details_pb2.BadRequest.FieldViolation(field=field, description=description)
            for field, description in violations
        ]
    )


def retry_info(seconds: float) -> Message:
    delay = duration_pb2.Duration()
    delay.FromNanoseconds(int(seconds * 1e9))
    return error_details_pb2.RetryInfo(retry_delay=delay)


@asynccontextmanager
async def serve(
    speech: speech_pb2_grpc.SpeechServiceServicer | None, options: Sequence[tuple[str, Any]] = ()
) -> AsyncIterator[str]:
    """Run a server on a free port, with `speech` or without any service."""
    server = grpc.aio.server(options=list(options))
    if speech is not None:
        speech_pb2_grpc.add_SpeechServiceServicer_to_server(speech, server)
    port = server.add_insecure_port("127.0.0.1:0")  # a single address family
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(grace=None)
