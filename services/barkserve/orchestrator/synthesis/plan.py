"""A checked request with all its defaults resolved. Sends nothing."""

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from barkserve.checkpoint.voices import Voice
from barkserve.constants import NO_VOICE
from barkserve.errors import InvalidArgument
from barkserve.orchestrator.audio.output_format import OutputFormat, resolve_format
from barkserve.orchestrator.synthesis.tail import Tail, resolve_tail
from barkserve.orchestrator.text.language import checked_language
from barkserve.orchestrator.text.lexicon import Lexicon
from barkserve.request_id import MAX_CHARACTERS, current_request_id
from barkserve.speakable import speakable
from barkserve.speaking_rate import checked_speaking_rate
from barkserve.v1 import common_pb2, speech_pb2

NOTHING_TO_SPEAK = "holds nothing to speak: no letter, digit, note sign or [cue]"
MAX_SEED = 2**32
_CHECKED_CHARACTERS = 16_384  # of a text at a time: well below a millisecond
"""Seeds that the server draws are below this: short enough to read out."""


@dataclass(frozen=True)
class Plan:
    """How to speak one text.

    Attributes:
        request: the client's, for the options that are passed to the stages unchanged.
        request_id: the client's, or that of the running request.
        voice: the history prompt, None for no voice.
        seed: the client's, or a random one.
        output: the audio format and the size of chunks.
        tail: how segments end.
        speaking_rate: speed of the speech; 1 is the natural pace.
        lexicons: how words are read, the request's before the server's.
    """

    request: speech_pb2.SynthesizeRequest
    request_id: str
    voice: Voice | None
    seed: int
    output: OutputFormat
    tail: Tail
    speaking_rate: float
    lexicons: Sequence[Lexicon] = ()

    @property
    def voice_name(self) -> str:
        """The voice's name in `started`."""
        return NO_VOICE if self.voice is None else self.voice.name

    @property
    def resumes(self) -> bool:
        """Whether the client has heard the beginning already."""
        return self.request.HasField("resume")

    @property
    def chunk_plan(self) -> common_pb2.ChunkPlan | None:
        """When the fine stage fills; None: its replicas decide."""
        fine = self.request.fine
        return fine.chunk_plan if fine.HasField("chunk_plan") else None

    @property
    def language(self) -> str:
        """The text's BCP 47 language code; empty if neither request nor voice has one."""
        return self.request.language_code or (self.voice.language if self.voice else "")

    def sampling(self, options: common_pb2.Sampling) -> common_pb2.Sampling:
        """A stage's sampling options; greedy if the request is."""
        chosen = common_pb2.Sampling()
        chosen.CopyFrom(options)
        if self.request.greedy:
            chosen.greedy = True
        return chosen


def make_plan(
    request: speech_pb2.SynthesizeRequest,
    voice: Voice | None,
    source_rate: int,
    max_seconds_per_character: float,
    lexicons: Sequence[Lexicon] = (),
) -> Plan:
    """Check a request and resolve its defaults.

    Args:
        request: the client's.
        voice: the voice that it selects.
        source_rate: the checkpoint's sample rate in Hz.
        max_seconds_per_character: the server's default for the request's `tail`.
        lexicons: how words are read, the request's before the server's.

    Raises:
        InvalidArgument: an option is not valid; names the field.
    """
    if len(request.request_id) > MAX_CHARACTERS:
        raise InvalidArgument("request_id", f"must be at most {MAX_CHARACTERS} characters")
    checked_language(request.language_code)
    if request.HasField("seed") and request.seed < 0:
        raise InvalidArgument("seed", "must be 0 to 2^63 - 1")
    if request.semantic.HasField("max_tokens") and request.semantic.max_tokens < 1:
        raise InvalidArgument("semantic.max_tokens", "must be at least 1")
    if request.delivery_mode not in common_pb2.DeliveryMode.values():
        raise InvalidArgument(
            "delivery_mode", "must be DELIVERY_MODE_STREAMING or DELIVERY_MODE_EXACT"
        )
    return Plan(
        request=request,
        request_id=request.request_id or current_request_id(),
        voice=voice,
        seed=request.seed if request.HasField("seed") else secrets.randbelow(MAX_SEED),
        output=resolve_format(request.audio_format, source_rate),
        tail=resolve_tail(
            request.tail,
            max_seconds_per_character,
            exact=request.delivery_mode == common_pb2.DELIVERY_MODE_EXACT,
        ),
        speaking_rate=resolve_speaking_rate(request),
        lexicons=lexicons,
    )


def resolve_speaking_rate(request: speech_pb2.SynthesizeRequest) -> float:
    """The rate of a request. Raises InvalidArgument if it is out of range."""
    return checked_speaking_rate(request.speaking_rate or 1.0)


async def check_text(text: str, max_characters: int) -> None:
    """Check a complete text. Other tasks run in between: a long text takes tens of milliseconds.

    Raises:
        InvalidArgument: the text is too long, or holds nothing that can be spoken.
    """
    if len(text) > max_characters:
        raise InvalidArgument(
            "text", f"must be at most {max_characters} characters, found {len(text)}"
        )
    for start in range(0, len(text), _CHECKED_CHARACTERS):
        if speakable(text[start : start + _CHECKED_CHARACTERS]):
            return
        await asyncio.sleep(0)
    raise InvalidArgument("text", NOTHING_TO_SPEAK)
