"""What comes back from a synthesis, as plain values, and the check that nothing is missing."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from barkclient.errors import ServerError
from barkclient.options import SAMPLE_BYTES, Encoding
from barkclient.voices import HistoryPrompt, decode_history_prompt
from barkserve.v1 import common_pb2, speech_pb2

_ENCODINGS: dict[int, Encoding] = {
    speech_pb2.AUDIO_ENCODING_PCM16: "pcm16",
    speech_pb2.AUDIO_ENCODING_FLOAT32: "float32",
}
_PCM16_SCALE = np.float32(1 / 32768)


@dataclass(frozen=True)
class Started:
    """What the server decided before anything was spoken."""

    request_id: str
    seed: int
    voice: str  # a name, "none", or "inline" for one that came with the request
    encoding: Encoding
    sample_rate: int  # samples a second
    model: str


@dataclass(frozen=True)
class AudioChunk:
    """A piece of mono audio, and where in the utterance and in the text it belongs."""

    audio: bytes  # little-endian samples in `encoding`
    first_sample: int
    sample_rate: int
    encoding: Encoding
    text_start: int  # code points of the text: first, and behind the last
    text_end: int

    @property
    def sample_count(self) -> int:
        return len(self.audio) // SAMPLE_BYTES[self.encoding]

    def samples(self) -> NDArray[np.float32]:
        """The samples as floats, nominally -1 to 1."""
        if self.encoding == "float32":
            return np.frombuffer(self.audio, "<f4").astype(np.float32)
        return np.frombuffer(self.audio, "<i2").astype(np.float32) * _PCM16_SCALE


@dataclass(frozen=True)
class StageReport:
    """What one stage did for a synthesis."""

    stage: str
    output_count: int  # tokens, codes, frames or samples
    queue_ms: float
    compute_ms: float


@dataclass(frozen=True)
class Finished:
    """How a synthesis ended."""

    finish_reason: str  # "stop", or "length": the end of the text may be missing
    sample_count: int
    stages: tuple[StageReport, ...]
    voice: HistoryPrompt | None  # continues this utterance, if return_voice was set


class Transcript:
    """What has come of one synthesis: responses go in, audio comes out, gaps are errors."""

    def __init__(self) -> None:
        self.started: Started | None = None
        self.finished: Finished | None = None
        self.sample_count = 0

    def push(self, response: speech_pb2.SynthesizeResponse) -> AudioChunk | None:
        """Takes the next response; returns its audio, if that is what it is."""
        kind = response.WhichOneof("response")
        if self.finished is not None or (kind == "started") != (self.started is None):
            raise ServerError(f"the server sent {kind!r} where it does not belong")
        if kind == "started":
            self.started = _decode_started(response.started)
        elif kind == "finished":
            self._finish(_decode_finished(response.finished))
        elif kind == "audio" and self.started is not None:
            return self._audio(response.audio, self.started)
        return None  # also what a newer server may add

    def end(self) -> None:
        """Takes the end of an OK stream."""
        if self.finished is None:
            raise ServerError("the server ended the stream without finishing it")

    def _audio(self, message: speech_pb2.AudioChunk, started: Started) -> AudioChunk:
        chunk = AudioChunk(
            audio=message.audio,
            first_sample=message.first_sample,
            sample_rate=started.sample_rate,
            encoding=started.encoding,
            text_start=message.text_span.start,
            text_end=message.text_span.end,
        )
        if len(chunk.audio) % SAMPLE_BYTES[chunk.encoding]:
            raise ServerError("the server sent a part of a sample")
        if chunk.first_sample != self.sample_count:
            first, expected = chunk.first_sample, self.sample_count
            raise ServerError(f"audio is missing: sample {first} came in place of {expected}")
        self.sample_count += chunk.sample_count
        return chunk

    def _finish(self, finished: Finished) -> None:
        if finished.sample_count != self.sample_count:
            sent, came = finished.sample_count, self.sample_count
            raise ServerError(f"audio is missing: the server sent {sent} samples and {came} came")
        self.finished = finished


class Progress:
    """The side of a synthesis that does not wait: what is known of it so far."""

    def __init__(self) -> None:
        self._transcript = Transcript()

    @property
    def started(self) -> Started:
        """What was decided; known once the first chunk came."""
        if self._transcript.started is None:
            raise RuntimeError("the synthesis has not started: read a chunk first")
        return self._transcript.started

    @property
    def finished(self) -> Finished:
        """How it ended; known once every chunk has been read."""
        if self._transcript.finished is None:
            raise RuntimeError("the synthesis has not finished: read all chunks first")
        return self._transcript.finished

    def _join(self, chunks: list[AudioChunk]) -> AudioChunk:
        """One chunk of all that was read just now."""
        return AudioChunk(
            audio=b"".join(chunk.audio for chunk in chunks),
            first_sample=chunks[0].first_sample if chunks else self.finished.sample_count,
            sample_rate=self.started.sample_rate,
            encoding=self.started.encoding,
            text_start=min((chunk.text_start for chunk in chunks), default=0),
            text_end=max((chunk.text_end for chunk in chunks), default=0),
        )


def _decode_started(message: speech_pb2.SynthesisStarted) -> Started:
    if message.encoding not in _ENCODINGS:
        raise ServerError(
            f"the server chose an encoding that is not known here: {message.encoding}"
        )
    return Started(
        request_id=message.request_id,
        seed=message.seed,
        voice=message.voice,
        encoding=_ENCODINGS[message.encoding],
        sample_rate=message.sample_rate_hertz,
        model=message.model,
    )


def _decode_finished(message: speech_pb2.SynthesisFinished) -> Finished:
    reasons = common_pb2.FinishReason.DESCRIPTOR.values_by_number
    reason = reasons.get(message.finish_reason, reasons[0])
    return Finished(
        finish_reason=reason.name.removeprefix("FINISH_REASON_").lower(),
        sample_count=message.sample_count,
        stages=tuple(
            StageReport(report.stage, report.output_count, report.queue_ms, report.compute_ms)
            for report in message.stages
        ),
        voice=decode_history_prompt(message.voice) if message.HasField("voice") else None,
    )
