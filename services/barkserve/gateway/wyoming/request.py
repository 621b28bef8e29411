"""What a Wyoming client asks to be spoken: one text, or a text that is still being written."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from wyoming.event import Event

from barkclient import AsyncClient, AsyncSynthesis
from barkclient.options import SynthesisOptions
from barkserve.gateway.errors import HttpFailure
from barkserve.request_id import current_request_id

_MAX_WAITING_TEXTS = 64
_LAST_SEED = 2**63 - 1


@dataclass(frozen=True)
class VoiceChoice:
    """The voice of a request. A name wins over a language."""

    name: str | None
    language: str

    async def resolve(self, client: AsyncClient) -> str | None:
        """The name of the voice; None for the server's default."""
        if self.name or not self.language:
            return self.name
        voices = await client.voices(self.language)
        return voices[0].name if voices else None


@dataclass(frozen=True)
class SpeechRequest:
    """A `synthesize` event, or the events from `synthesize-start` to `synthesize-stop`.

    Attributes:
        voice: the voice.
        seed: the seed; None lets the server choose. An addition of barkserve.
        is_streamed: whether the text comes in parts.
        texts: the parts of the text, then None.
    """

    voice: VoiceChoice
    seed: int | None
    is_streamed: bool
    texts: "asyncio.Queue[str | None]" = field(
        default_factory=lambda: asyncio.Queue(_MAX_WAITING_TEXTS)
    )

    @classmethod
    def from_event(cls, event: Event, is_streamed: bool) -> "SpeechRequest":
        """Read `synthesize` or `synthesize-start`.

        Raises:
            HttpFailure: a field is wrong.
        """
        seed = event.data.get("seed")
        if seed is not None and (type(seed) is not int or not 0 <= seed <= _LAST_SEED):
            raise _wrong(event, "seed", f"a whole number from 0 to {_LAST_SEED}")
        if event.data.get("text_format") not in (None, "text"):
            raise _wrong(event, "text_format", '"text"')
        return cls(_voice(event), seed, is_streamed)

    async def start(self, client: AsyncClient) -> AsyncSynthesis | None:
        """Begin to speak; None if the text ends without anything but spaces.

        Raises:
            BarkClientError: the request cannot be sent.
        """
        first = await self._beginning()
        if not first and self.is_streamed:
            return None
        options = SynthesisOptions(
            voice=await self.voice.resolve(client),
            seed=self.seed,
            language=self.voice.language,
            request_id=current_request_id(),
        )
        if not self.is_streamed:
            return client.synthesize(first, **options)
        return client.synthesize_stream(self._continued(first), **options)

    async def _beginning(self) -> str:
        """The text up to the first part that has more than spaces."""
        found = ""
        while not found.strip() and (text := await self.texts.get()) is not None:
            found += text
        return found if found.strip() or not self.is_streamed else ""

    async def _continued(self, first: str) -> AsyncIterator[str]:
        yield first
        while (text := await self.texts.get()) is not None:
            yield text


def text_of(event: Event) -> str:
    """The text of `synthesize` or `synthesize-chunk`.

    Raises:
        HttpFailure: the event has no text.
    """
    text = event.data.get("text")
    if not isinstance(text, str):
        raise _wrong(event, "text", "a string")
    return text


def _voice(event: Event) -> VoiceChoice:
    voice: Any = event.data.get("voice") or {}
    if not isinstance(voice, dict):
        raise _wrong(event, "voice", "an object")
    for key in ("name", "language"):
        if not isinstance(voice.get(key) or "", str):
            raise _wrong(event, f"voice.{key}", "a string")
    return VoiceChoice(voice.get("name") or None, voice.get("language") or "")


def _wrong(event: Event, name: str, expected: str) -> HttpFailure:
    message = f"{name} of {event.type!r} must be {expected}"
    return HttpFailure(400, "invalid_request", message, name)
