"""All voices that can be named: the checkpoint's, those that were created, and kept ones by handle.

Files are read and written in threads, so that streams go on meanwhile. Knows no messages.
"""

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass

from barkserve.checkpoint.voice_card import VoiceCard
from barkserve.checkpoint.voices import Voice, VoiceLibrary
from barkserve.constants import NO_VOICE
from barkserve.errors import (
    AlreadyExists,
    BarkserveError,
    FailedPrecondition,
    NotFound,
    StoreUnavailable,
)
from barkserve.orchestrator.voices.handles import VoiceHandles
from barkserve.orchestrator.voices.store import VoiceStore

_log = logging.getLogger(__name__)

_SWEEP_SECONDS = 60.0
_NO_STORE = (
    "this server has no voice store: start it with --voice-store and a folder or URL (s3://...)"
)


@dataclass(frozen=True)
class StoredVoices:
    """The two parts of a voice store."""

    named: VoiceStore
    handles: VoiceHandles


class VoiceCatalog:
    """Finds, makes and removes voices.

    Args:
        library: the checkpoint's.
        stored: the created ones, None where there is no voice store.
    """

    def __init__(self, library: VoiceLibrary, stored: StoredVoices | None) -> None:
        self._library = library
        self._stored = stored

    async def cards(self, language: str = "") -> list[VoiceCard]:
        """All that can be named, sorted; of one language if that is given."""
        own = [self._library.card(name) for name in self._library.names()]
        created = await asyncio.to_thread(self._stored.named.cards) if self._stored else []
        names = {card.name for card in own}
        every = own + [card for card in created if card.name not in names]
        return sorted((card for card in every if card.speaks(language)), key=lambda card: card.name)

    async def card(self, name: str) -> VoiceCard:
        """What is known of a voice. Raises NotFound."""
        if name in self._library.names():
            return self._library.card(name)
        return (await self._named(name))[0]

    async def get(self, name: str) -> Voice:
        """A voice; one of a hub's checkpoint is fetched on first use. Raises NotFound."""
        if self._stored is None or name in self._library.names():
            return await asyncio.to_thread(self._library.get, name)
        return (await self._named(name))[1]

    async def create(self, card: VoiceCard, voice: Voice, *, replace: bool) -> None:
        """Store a voice; errors are those of VoiceStore.create."""
        stored = self._require_store()
        if card.name in (*self._library.names(), NO_VOICE):
            raise AlreadyExists(
                f"{card.name!r} is the checkpoint's own and cannot be replaced: choose another name"
            )
        await asyncio.to_thread(stored.named.create, card, voice, replace=replace)

    async def delete(self, name: str) -> None:
        """Remove a stored voice. Raises NotFound, or FailedPrecondition for the checkpoint's."""
        stored = self._require_store()
        if name in self._library.names():
            raise FailedPrecondition(f"{name!r} is the checkpoint's own and cannot be deleted")
        await asyncio.to_thread(stored.named.delete, name)

    def require_store(self) -> None:
        """Raise FailedPrecondition where there is no voice store."""
        self._require_store()

    async def check_keeping(self) -> None:
        """Raise FailedPrecondition where voices cannot be kept, StoreUnavailable where it shows
        that they cannot now; to be asked before speaking.
        """
        handles = self._require_store().handles
        await asyncio.to_thread(handles.check_keeping, thoroughly=False)

    async def keep(self, voice: Voice) -> str:
        """Keep a voice for a while; returns its handle."""
        return await asyncio.to_thread(self._require_store().handles.keep, voice)

    async def kept(self, handle: str) -> Voice:
        """The voice of a handle. Raises NotFound."""
        return await asyncio.to_thread(self._require_store().handles.get, handle)

    async def sweep_forever(self) -> None:
        """Delete what expires, until cancelled; warn at once if nothing can be stored."""
        if self._stored is not None:
            with suppress(StoreUnavailable):  # it is in the log
                await asyncio.to_thread(self._stored.handles.check_keeping, thoroughly=True)
        while self._stored is not None:
            try:
                await asyncio.to_thread(self._stored.handles.sweep)
            except BarkserveError as error:
                _log.warning("expired voices stay for now: %s", error)
            await asyncio.sleep(_SWEEP_SECONDS)

    async def _named(self, name: str) -> tuple[VoiceCard, Voice]:
        """A stored voice; the checkpoint's library words the error if there is none."""
        if self._stored is not None:
            with suppress(NotFound):
                return await asyncio.to_thread(self._stored.named.get, name)
        raise self._library.not_found(name, [card.name for card in await self.cards()])

    def _require_store(self) -> StoredVoices:
        if self._stored is None:
            raise FailedPrecondition(_NO_STORE)
        return self._stored
