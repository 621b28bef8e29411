"""A SpeechService that says what a test tells it to, on a real port; it has no model."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import grpc
import numpy as np
from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from barkserve.v1 import common_pb2, speech_pb2, speech_pb2_grpc

SAMPLE_RATE = 24000
TEXT = "Hello there"
PCM = [  # three chunks of 16-bit samples, the extremes among them
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
    """Speaks PCM, chunk by chunk as `allow` lets it, then fails with `failure` or finishes."""

    def __init__(self) -> None:
        self.target = ""
        self.requests: list[speech_pb2.SynthesizeRequest] = []
        self.failure: Failure | None = None
        self.finished = speech_pb2.SynthesisFinished(
            finish_reason=common_pb2.FINISH_REASON_STOP,
            sample_count=SAMPLE_COUNT,
            stages=[common_pb2.StageReport(stage="semantic", output_count=7, compute_ms=1.5)],
        )
        self.finishes = True
        self.first_samples = [0, 3, 5]
        self.voices = [speech_pb2.Voice(name="announcer", is_default=True)]
        self.voices.append(speech_pb2.Voice(name="v2/en_speaker_6"))
        self.allowed = asyncio.Semaphore(1000)  # chunks that may go out
        self.asked = asyncio.Event()
        self.cancelled = asyncio.Event()

    def allow(self, chunks: int) -> None:
        """From now on only so many more chunks go out."""
        self.allowed = asyncio.Semaphore(chunks)

    async def Synthesize(self, request: speech_pb2.SynthesizeRequest, context: Any) -> None:
        self.requests.append(request)
        self.asked.set()
        try:  # written, not yielded: gRPC would not tell a generator that waits in its yield
            for response in self._responses(request):
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

    def _responses(
        self, request: speech_pb2.SynthesizeRequest
    ) -> Iterator[speech_pb2.SynthesizeResponse]:
        encoding = request.audio_format.encoding
        yield speech_pb2.SynthesizeResponse(
            started=speech_pb2.SynthesisStarted(
                request_id=request.request_id or "made-here",
                seed=request.seed if request.HasField("seed") else 42,
                voice=request.voice.name or "announcer",
                encoding=encoding,
                sample_rate_hertz=SAMPLE_RATE,
                model="bark-mini",
            )
        )
        for first_sample, samples in zip(self.first_samples, PCM, strict=True):
            if encoding == speech_pb2.AUDIO_ENCODING_FLOAT32:
                samples = samples.astype("<f4") / 32768
            chunk = speech_pb2.AudioChunk(audio=samples.tobytes(), first_sample=first_sample)
            chunk.text_span.end = len(request.text)
            yield speech_pb2.SynthesizeResponse(audio=chunk)


class Failure:
    """A status with google.rpc details, as the orchestrator sends them."""

    def __init__(self, code: grpc.StatusCode, message: str, *details: Message) -> None:
        packed = []
        for detail in details:
            packed.append(any_pb2.Any())
            packed[-1].Pack(detail)
        status = status_pb2.Status(code=code.value[0], message=message, details=packed)
        self.code, self.message = code, message
        self.metadata: tuple[tuple[str, bytes], ...] = (
            ("grpc-status-details-bin", status.SerializeToString()),
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
    """Runs a server on a free port, with `speech` or with no service at all."""
    server = grpc.aio.server(options=list(options))
    if speech is not None:
        speech_pb2_grpc.add_SpeechServiceServicer_to_server(speech, server)
    port = server.add_insecure_port("localhost:0")
    await server.start()
    try:
        yield f"localhost:{port}"
    finally:
        await server.stop(grace=None)
