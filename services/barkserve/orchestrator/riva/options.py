"""A Riva request as one of ours. Knows messages; speaks nothing."""

from collections.abc import Iterator
from contextlib import contextmanager

from barkserve.errors import InvalidArgument
from barkserve.external import riva_pb2, riva_tts_pb2
from barkserve.v1 import speech_pb2

_ENCODINGS = {
    riva_pb2.ENCODING_UNSPECIFIED: speech_pb2.AUDIO_ENCODING_PCM16,
    riva_pb2.LINEAR_PCM: speech_pb2.AUDIO_ENCODING_PCM16,
    riva_pb2.FLAC: speech_pb2.AUDIO_ENCODING_FLAC,
    riva_pb2.MULAW: speech_pb2.AUDIO_ENCODING_MULAW,
    riva_pb2.OGGOPUS: speech_pb2.AUDIO_ENCODING_OGG_OPUS,
    riva_pb2.ALAW: speech_pb2.AUDIO_ENCODING_ALAW,
}
_FIELDS = {"audio_format.sample_rate_hertz": "sample_rate_hz", "request_id": "id.value"}
"""Fields of ours that errors name, as they are called in Riva's requests."""


def to_options(
    request: riva_tts_pb2.SynthesizeSpeechRequest, voice: str
) -> speech_pb2.SynthesizeRequest:
    """Everything but the text, spoken by a voice of ours. Raises InvalidArgument for what we cannot
    do.
    """
    if request.HasField("zero_shot_data"):
        raise InvalidArgument(
            "zero_shot_data",
            "recordings cannot be imitated; store a voice with CreateVoice of "
            "barkserve.v1.SpeechService and send its name as voice_name",
        )
    if request.custom_dictionary:
        raise InvalidArgument(
            "custom_dictionary", "must be empty: Bark reads letters, spell the words as they sound"
        )
    if request.encoding not in _ENCODINGS:
        raise InvalidArgument("encoding", "must be LINEAR_PCM, FLAC, MULAW, OGGOPUS or ALAW")
    return speech_pb2.SynthesizeRequest(
        voice=speech_pb2.VoiceSelection(name=voice),
        language_code=request.language_code,
        audio_format=speech_pb2.AudioFormat(
            encoding=_ENCODINGS[request.encoding], sample_rate_hertz=request.sample_rate_hz
        ),
        request_id=request.id.value,
        word_times=request.enable_word_time_offsets,
    )


@contextmanager
def named_as_in_riva() -> Iterator[None]:
    """Errors about a field name it as Riva does."""
    try:
        yield
    except InvalidArgument as error:
        if error.field not in _FIELDS:
            raise
        raise InvalidArgument(_FIELDS[error.field], error.description) from error
