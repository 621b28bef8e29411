"""Which encoder makes which encoding."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from barkserve.orchestrator.audio.libsndfile import ALAW, FLAC, MP3, MULAW, CodecEncoder
from barkserve.orchestrator.audio.ogg_opus import OggOpusEncoder
from barkserve.orchestrator.audio.output_format import OutputFormat
from barkserve.orchestrator.audio.pcm import Float32Encoder, Pcm16Encoder, wav_header
from barkserve.v1 import speech_pb2


class Encoder(Protocol):
    """Samples to bytes, for one stream; put together, the bytes are one file or raw stream, however
    the samples were cut.
    """

    @property
    def trail_s(self) -> float:
        """Most seconds of audio that it holds back."""

    def push(self, samples: NDArray[np.float32]) -> bytes:
        """Encode (n,) samples, nominally -1 to 1; returns what is complete."""

    def flush(self) -> bytes:
        """What is left. The last call."""


_CODECS = {
    speech_pb2.AUDIO_ENCODING_MULAW: MULAW,
    speech_pb2.AUDIO_ENCODING_ALAW: ALAW,
    speech_pb2.AUDIO_ENCODING_FLAC: FLAC,
    speech_pb2.AUDIO_ENCODING_MP3: MP3,
}


def make_encoder(output: OutputFormat) -> Encoder:
    """A new encoder."""
    codec = _CODECS.get(output.encoding)
    if codec is not None:
        return CodecEncoder(codec, output.sample_rate)
    if output.encoding == speech_pb2.AUDIO_ENCODING_OGG_OPUS:
        return OggOpusEncoder(output.sample_rate)
    if output.encoding == speech_pb2.AUDIO_ENCODING_FLOAT32:
        return Float32Encoder()
    if output.encoding == speech_pb2.AUDIO_ENCODING_WAV:
        return Pcm16Encoder(wav_header(output.sample_rate))
    return Pcm16Encoder()
