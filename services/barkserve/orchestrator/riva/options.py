"""Translates Riva requests to SpeechService requests."""

from collections.abc import Iterator
from contextlib import contextmanager

from barkserve.errors import InvalidArgument
from barkserve.external import riva_pb2, riva_tts_pb2
from barkserve.orchestrator.audio.encodings import ENCODINGS
from barkserve.v1 import speech_pb2

_RIVA_FIELDS = {
    "audio_format.sample_rate_hertz": "sample_rate_hz",
    "request_id": "id.value",
    "lexicon": "custom_dictionary",
}
"""Fields of SpeechService requests that have another name in Riva's."""


def to_synthesize_request(
    request: riva_tts_pb2.SynthesizeSpeechRequest, voice: str
) -> speech_pb2.SynthesizeRequest:
    """Translate everything but the text.

    Args:
        request: the Riva request.
        voice: the name of the voice to use.

    Raises:
        InvalidArgument: the request asks for something that Bark does not support.
    """
    if request.HasField("zero_shot_data"):
        raise InvalidArgument(
            "zero_shot_data",
            "is not supported: Bark cannot clone a recording. Store a voice with CreateVoice of "
            "barkserve.v1.SpeechService and send its name as voice_name",
        )
    return speech_pb2.SynthesizeRequest(
        voice=speech_pb2.VoiceSelection(name=voice),
        language_code=request.language_code,
        audio_format=speech_pb2.AudioFormat(
            encoding=_to_encoding(request.encoding), sample_rate_hertz=request.sample_rate_hz
        ),
        request_id=request.id.value,
        word_times=request.enable_word_time_offsets,
        lexicon=_to_lexicon(request.custom_dictionary),
    )


def _to_lexicon(dictionary: str) -> Iterator[speech_pb2.LexiconEntry]:
    """Entries of a text `WORD  PHONES,WORD  PHONES`, with two spaces between word and phones."""
    for pair in filter(str.strip, dictionary.split(",")):
        word, space, phones = pair.strip().partition("  ")
        if not space:
            raise InvalidArgument(
                "custom_dictionary", f"must have two spaces between word and phones in {pair!r}"
            )
        yield speech_pb2.LexiconEntry(word=word, ipa=phones.strip())


def _to_encoding(requested: riva_pb2.AudioEncoding) -> speech_pb2.AudioEncoding:
    if requested == riva_pb2.ENCODING_UNSPECIFIED:
        return speech_pb2.AUDIO_ENCODING_PCM16
    encodings = {each.riva: each.value for each in ENCODINGS.values() if each.riva is not None}
    if requested not in encodings:
        names = ", ".join(map(riva_pb2.AudioEncoding.Name, encodings))
        raise InvalidArgument("encoding", f"must be one of {names}, found {requested}")
    return encodings[requested]


@contextmanager
def riva_field_names() -> Iterator[None]:
    """Replace the field names of SpeechService in errors by Riva's."""
    try:
        yield
    except InvalidArgument as error:
        if error.field not in _RIVA_FIELDS:
            raise
        raise InvalidArgument(_RIVA_FIELDS[error.field], error.description) from error
