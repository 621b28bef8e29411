"""Translates SpeechService messages to Riva responses."""

from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator

from barkserve.external import riva_pb2, riva_tts_pb2
from barkserve.orchestrator.session.responses import Message
from barkserve.v1 import speech_pb2

Response = riva_tts_pb2.SynthesizeSpeechResponse


async def to_riva_responses(messages: AsyncIterator[Message]) -> AsyncGenerator[Response, None]:
    """Yield one response for each audio chunk; word times go with the next chunk.

    Words after the last chunk get a response without audio.
    """
    started = speech_pb2.SynthesisStarted()
    words: list[speech_pb2.WordTime] = []
    async for message in messages:
        match message:
            case speech_pb2.SynthesisStarted():
                started = message
            case speech_pb2.WordTimes():
                words.extend(message.words)
            case speech_pb2.AudioChunk():
                yield _response(started, message.audio, words)
                words.clear()
    if words:
        yield _response(started, b"", words)


def _response(
    started: speech_pb2.SynthesisStarted, audio: bytes, words: Iterable[speech_pb2.WordTime]
) -> Response:
    timings = _word_timings(words, started.sample_rate_hertz)
    return Response(
        audio=audio,
        meta=riva_tts_pb2.SynthesizeSpeechResponseMetadata(words=timings),
        id=riva_pb2.RequestId(value=started.request_id),
    )


def _word_timings(
    words: Iterable[speech_pb2.WordTime], sample_rate: int
) -> Iterator[riva_tts_pb2.WordTiming]:
    for word in words:
        yield riva_tts_pb2.WordTiming(
            word=word.word,
            start_time=1000 * word.first_sample // sample_rate,
            end_time=1000 * word.end_sample // sample_rate,
        )
