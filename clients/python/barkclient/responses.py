"""Responses of a synthesis as plain values."""

from dataclasses import dataclass
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from barkclient._internal.g711 import decode_alaw, decode_mulaw
from barkclient.errors import ServerError
from barkclient.options import SAMPLE_BYTES, Encoding
from barkclient.voices import HistoryPrompt, VoiceHandle, decode_history_prompt
from barkserve.v1 import common_pb2, speech_pb2

ENCODINGS: dict[int, Encoding] = {
    speech_pb2.AudioEncoding.Value(f"AUDIO_ENCODING_{name.upper()}"): name
    for name in get_args(Encoding)
}
"""Names of the proto's encodings."""

_PCM16_SCALE = np.float32(1 / 32768)


@dataclass(frozen=True)
class Started:
    """What the server decided before it spoke."""

    request_id: str
    seed: int
    voice: str  # a name, "none", or "inline" for a voice in the request
    encoding: Encoding
    sample_rate: int  # Hz
    model: str
    model_revision: str = ""
    speaking_rate: float = 1.0  # 2 is twice as fast as the model speaks


@dataclass(frozen=True, repr=False)
class WordTime:
    """When one word is spoken."""

    word: str
    text_start: int  # index of the first code point in the text
    text_end: int  # exclusive
    first_sample: int
    end_sample: int  # exclusive
    sample_rate: int

    @property
    def start_s(self) -> float:
        """Seconds from the beginning of the speech to the word."""
        return self.first_sample / self.sample_rate

    @property
    def end_s(self) -> float:
        """Seconds from the beginning of the speech to the end of the word."""
        return self.end_sample / self.sample_rate

    def __repr__(self) -> str:
        return f"<WordTime {self.word!r}, {self.start_s:.2f} to {self.end_s:.2f} s>"


@dataclass(frozen=True)
class MarkTime:
    """When the speech reaches a mark of SSML."""

    name: str
    position: int  # index of the mark in the text, in code points
    sample: int  # at which the text after it begins
    sample_rate: int

    @property
    def start_s(self) -> float:
        """Seconds from the beginning of the speech to the mark."""
        return self.sample / self.sample_rate


@dataclass(frozen=True, kw_only=True, repr=False)
class AudioChunk:
    """A chunk of mono audio with its position in the speech and in the text."""

    audio: bytes  # the next bytes of the stream or file
    first_sample: int
    sample_count: int
    sample_rate: int
    encoding: Encoding
    text_start: int  # index of the first code point in the text
    text_end: int  # exclusive
    words: tuple[WordTime, ...] = ()  # those that arrived just before, with word_times

    @property
    def duration_s(self) -> float:
        """Seconds that the chunk plays."""
        return self.sample_count / self.sample_rate

    def __repr__(self) -> str:
        start_s = self.first_sample / self.sample_rate
        times = f"{start_s:.2f} to {start_s + self.duration_s:.2f} s"
        return f"<AudioChunk {times}, {len(self.audio)} bytes of {self.encoding}>"

    def samples(self) -> NDArray[np.float32]:
        """Decode the chunk.

        Returns:
            (sample_count,) samples, nominally in [-1, 1].

        Raises:
            TypeError: chunks of this encoding are parts of a file, which only a decoder can read.
        """
        match self.encoding:
            case "pcm16":
                return np.frombuffer(self.audio, "<i2").astype(np.float32) * _PCM16_SCALE
            case "float32":
                return np.frombuffer(self.audio, "<f4").astype(np.float32)
            case "mulaw":
                return decode_mulaw(self.audio)
            case "alaw":
                return decode_alaw(self.audio)
        raise TypeError(f"a chunk of {self.encoding} cannot be decoded alone: ask for pcm16")


@dataclass(frozen=True)
class StageReport:
    """The work of one stage for a synthesis."""

    stage: str
    output_count: int  # tokens, codes, frames or samples
    queue_ms: float
    compute_ms: float
    first_output_ms: float = 0.0  # after the request arrived; 0: no output, or an older server
    last_output_ms: float = 0.0


@dataclass(frozen=True)
class SegmentReport:
    """How one segment of the text was spoken.

    The text span is in code points; `seed` is the seed of the last of `redraws` + 1 attempts.
    """

    text_start: int
    text_end: int
    finish_reason: str
    first_sample: int
    sample_count: int
    seed: int
    redraws: int


@dataclass(frozen=True)
class SpeechWarning:
    """Something that the listener may miss. The synthesis did not fail.

    The text span is the first place that it is about; None: the whole speech.
    """

    code: str  # "text_skipped", "language", "length_limit" ...; newer servers send others
    message: str  # for people
    text_start: int | None = None  # index of the first code point in the text
    text_end: int | None = None  # exclusive


@dataclass(frozen=True, repr=False)
class Finished:
    """How a synthesis ended."""

    # "stop", "length" (the end of a segment may be missing), "silence" or "cancelled"
    finish_reason: str
    sample_count: int
    stages: tuple[StageReport, ...]
    voice: HistoryPrompt | None  # continues this speech, if return_voice was set
    voice_handle: VoiceHandle | None = None  # the same, if keep_voice was set
    voice_handle_error: str = ""  # why the voice was not kept
    segments: tuple[SegmentReport, ...] = ()  # at most the last 1000
    warnings: tuple[SpeechWarning, ...] = ()  # at most the first 100

    def __repr__(self) -> str:
        samples, segments = self.sample_count, len(self.segments)
        return f"<Finished {self.finish_reason}, samples: {samples}, segments: {segments}>"


def decode_started(message: speech_pb2.SynthesisStarted) -> Started:
    """Decode a `started` response.

    Raises:
        ServerError: the encoding is unknown to this client.
    """
    if message.encoding not in ENCODINGS:
        raise ServerError(
            f"the server chose encoding {message.encoding}, which this client does not know:"
            " update barkclient"
        )
    return Started(
        request_id=message.request_id,
        seed=message.seed,
        voice=message.voice,
        encoding=ENCODINGS[message.encoding],
        sample_rate=message.sample_rate_hertz,
        model=message.model,
        model_revision=message.model_revision,
        speaking_rate=message.speaking_rate or 1.0,
    )


def decode_audio(
    message: speech_pb2.AudioChunk, started: Started, words: tuple[WordTime, ...]
) -> AudioChunk:
    """Decode an `audio` response.

    Raises:
        ServerError: the bytes are not whole samples, or not as many as announced.
    """
    count, width = message.sample_count, SAMPLE_BYTES.get(started.encoding)
    if width is not None:
        count, rest = divmod(len(message.audio), width)
        if rest or message.sample_count not in (0, count):
            raise ServerError("the server violated the protocol: a chunk of incomplete samples")
    return AudioChunk(
        audio=message.audio,
        first_sample=message.first_sample,
        sample_count=count,
        sample_rate=started.sample_rate,
        encoding=started.encoding,
        text_start=message.text_span.start,
        text_end=message.text_span.end,
        words=words,
    )


def decode_words(message: speech_pb2.WordTimes, started: Started) -> list[WordTime]:
    """Decode a `words` response, in the order of speech."""
    return [
        WordTime(
            word=word.word,
            text_start=word.text_span.start,
            text_end=word.text_span.end,
            first_sample=word.first_sample,
            end_sample=word.end_sample,
            sample_rate=started.sample_rate,
        )
        for word in message.words
    ]


def decode_marks(message: speech_pb2.WordTimes, started: Started) -> list[MarkTime]:
    """Decode the marks of a `words` response, in the order of speech."""
    return [
        MarkTime(mark.name, mark.position, mark.sample, started.sample_rate)
        for mark in message.marks
    ]


def decode_finished(message: speech_pb2.SynthesisFinished) -> Finished:
    """Decode a `finished` response."""
    return Finished(
        finish_reason=_reason(message.finish_reason),
        sample_count=message.sample_count,
        stages=tuple(
            StageReport(
                stage=report.stage,
                output_count=report.output_count,
                queue_ms=report.queue_ms,
                compute_ms=report.compute_ms,
                first_output_ms=report.first_output_ms,
                last_output_ms=report.last_output_ms,
            )
            for report in message.stages
        ),
        voice=decode_history_prompt(message.voice) if message.HasField("voice") else None,
        voice_handle=VoiceHandle(message.voice_handle) if message.voice_handle else None,
        voice_handle_error=message.voice_handle_error,
        segments=tuple(
            SegmentReport(
                text_start=segment.text_span.start,
                text_end=segment.text_span.end,
                finish_reason=_reason(segment.finish_reason),
                first_sample=segment.first_sample,
                sample_count=segment.sample_count,
                seed=segment.seed,
                redraws=segment.redraws,
            )
            for segment in message.segments
        ),
        warnings=tuple(map(_warning, message.warnings)),
    )


def _warning(message: speech_pb2.SpeechWarning) -> SpeechWarning:
    codes = speech_pb2.WarningCode.DESCRIPTOR.values_by_number
    has_span = message.HasField("text_span")
    return SpeechWarning(
        code=codes.get(message.code, codes[0]).name.removeprefix("WARNING_CODE_").lower(),
        message=message.message,
        text_start=message.text_span.start if has_span else None,
        text_end=message.text_span.end if has_span else None,
    )


def _reason(number: int) -> str:
    reasons = common_pb2.FinishReason.DESCRIPTOR.values_by_number
    return reasons.get(number, reasons[0]).name.removeprefix("FINISH_REASON_").lower()
