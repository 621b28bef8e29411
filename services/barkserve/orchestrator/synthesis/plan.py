"""What a request amounts to once everything about it is decided. Knows no channels and sends
nothing.
"""

import secrets
import uuid
from dataclasses import dataclass

from barkserve.checkpoint.voices import Voice
from barkserve.constants import NO_VOICE
from barkserve.errors import InvalidArgument
from barkserve.orchestrator.audio.output_format import OutputFormat, resolve_format
from barkserve.orchestrator.synthesis.tail import Tail, resolve_tail
from barkserve.orchestrator.text.language import checked_language
from barkserve.speakable import speakable
from barkserve.v1 import common_pb2, speech_pb2

MAX_REQUEST_ID_CHARACTERS = 128
NOTHING = "holds nothing to speak: no letter, digit, note sign or [cue]"
MAX_SEED = 2**32  # of those we draw: short enough to be read out


@dataclass(frozen=True)
class Plan:
    """How to speak one text.

    Attributes:
        request: what the client sent, for the options that go to the stages as they are.
        request_id: the client's, or a new one.
        voice: the history prompt, None for no voice.
        seed: the client's, or a drawn one.
        output: how the audio is made and cut.
        tail: how pieces end.
    """

    request: speech_pb2.SynthesizeRequest
    request_id: str
    voice: Voice | None
    seed: int
    output: OutputFormat
    tail: Tail

    @property
    def voice_name(self) -> str:
        """How `started` names the voice."""
        return NO_VOICE if self.voice is None else self.voice.name

    @property
    def language(self) -> str:
        """The text's language, a BCP 47 code; empty if only the text itself can tell."""
        return self.request.language_code or (self.voice.language if self.voice else "")

    def sampling(self, options: common_pb2.Sampling) -> common_pb2.Sampling:
        """A stage's sampling options, greedy where the whole request is."""
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
) -> Plan:
    """Check a request and decide what it leaves open. Raises InvalidArgument naming the field.

    Args:
        request: the client's.
        voice: that it means.
        source_rate: samples a second that the checkpoint makes.
        max_seconds_per_character: the server's default of the request's `tail`.
    """
    if len(request.request_id) > MAX_REQUEST_ID_CHARACTERS:
        raise InvalidArgument(
            "request_id", f"must be at most {MAX_REQUEST_ID_CHARACTERS} characters"
        )
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
        request_id=request.request_id or uuid.uuid4().hex,
        voice=voice,
        seed=request.seed if request.HasField("seed") else secrets.randbelow(MAX_SEED),
        output=resolve_format(request.audio_format, source_rate),
        tail=resolve_tail(request.tail, max_seconds_per_character),
    )


def check_text(text: str, most: int) -> None:
    """Raise InvalidArgument for text that is too long, or that no stage could speak."""
    if len(text) > most:
        raise InvalidArgument("text", f"must be at most {most} characters, found {len(text)}")
    if not speakable(text):
        raise InvalidArgument("text", NOTHING)
