"""Collects the reply of Riva's unary Synthesize, within the size that gRPC clients accept."""

import numpy as np

from barkserve.errors import InvalidArgument
from barkserve.external import riva_tts_pb2
from barkserve.orchestrator.audio.encodings import ENCODINGS
from barkserve.orchestrator.audio.output_format import OutputFormat
from barkserve.orchestrator.riva.responses import Response

MAX_REPLY_BYTES = 4 * 1024 * 1024
"""gRPC's default limit of a received message. NVIDIA's client does not change it, and the server
cannot see it."""

_FASTEST_LETTERS_PER_SECOND = 25.0
"""Twice an unhurried rate; no voice speaks a whole text faster."""

_AUDIO_FIELD_BYTES = 5  # tag, and length from 2 MiB on


class WholeReply:
    """The reply to one request.

    Args:
        text: the text of the request, which the reply repeats.
    """

    def __init__(self, text: str) -> None:
        meta = riva_tts_pb2.SynthesizeSpeechResponseMetadata(text=text, processed_text=text)
        self._reply = Response(meta=meta)
        self._audio: list[bytes] = []
        self._audio_bytes = 0

    def add(self, response: Response) -> None:
        """Add the next part.

        Raises:
            InvalidArgument: the reply is too large.
        """
        self._audio.append(response.audio)
        self._audio_bytes += len(response.audio)
        response.ClearField("audio")
        self._reply.MergeFrom(response)
        if self._reply.ByteSize() + _AUDIO_FIELD_BYTES + self._audio_bytes > MAX_REPLY_BYTES:
            raise _too_large("exceeds")

    def joined(self) -> Response:
        """The reply with all of its audio."""
        self._reply.audio = b"".join(self._audio)
        return self._reply


def check_reply_fits(text: str, output: OutputFormat) -> None:
    """Check, before anything is computed, that the audio of a text can fit into one reply.

    The size of compressed audio is not known before.

    Args:
        text: the text.
        output: the format of the audio.

    Raises:
        InvalidArgument: even the fastest speech would be too large.
    """
    encoding = ENCODINGS[output.encoding]
    if not encoding.plain_samples:
        return
    encoder = encoding.make_encoder(output.sample_rate)
    sample_bytes = len(encoder.push(np.zeros(1, dtype=np.float32)) + encoder.flush())
    letters = len(text) - text.count(" ") - text.count("\n")
    least_s = letters / _FASTEST_LETTERS_PER_SECOND
    if least_s * output.sample_rate * sample_bytes > MAX_REPLY_BYTES:
        raise _too_large("would exceed")


def _too_large(verb: str) -> InvalidArgument:
    return InvalidArgument(
        "text",
        f"the audio {verb} {MAX_REPLY_BYTES // 1024} KiB, the most that clients accept in one "
        "reply. Call SynthesizeOnline, which streams it, or ask for less text, a lower "
        "sample_rate_hz or the encoding OGGOPUS",
    )
