"""All voices: those of the checkpoint, created ones by name, and kept ones by handle.

Files are read and written in threads, so that the event loop is not blocked.
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

_SWEEP_INTERVAL_S = 60.0
_MAX_HINT_AGE_S = 5.0  # of the stored names that errors suggest; listing a large store takes long


@dataclass(frozen=True)
class StoredVoices:
    """The two parts of a voice store: voices with names and voices with handles."""

    named: VoiceStore
    handles: VoiceHandles


class VoiceCatalog:
    """Finds, creates and deletes voices.

    Args:
        library: the voices of the checkpoint.
        stored: the voice store; None if the server has none.
    """

    def __init__(self, library: VoiceLibrary, stored: StoredVoices | None) -> None:
        self._library = library
        self._stored = stored
        self._listing = asyncio.Lock()  # listings of one store share work; do not fill all threads
        self._hint_names: list[str] = []
        self._hint_expires_at = 0.0

    async def cards(self, language: str = "") -> list[VoiceCard]:
        """Return the cards of all named voices, or of one language, sorted by name."""
        cards = {name: self._library.card(name) for name in self._library.names()}
        if self._stored is not None:
            for card in await self._stored_cards(self._stored):
                cards.setdefault(card.name, card)
        return [card for _, card in sorted(cards.items()) if card.speaks(language)]

    async def card(self, name: str) -> VoiceCard:
        """Return the card of a voice.

        Raises:
            NotFound: no voice has that name.
        """
        if name in self._library.names():
            return self._library.card(name)
        return (await self._get_stored(name))[0]

    async def get(self, name: str) -> Voice:
        """Return a voice. One of a checkpoint on the hub is downloaded on first use.

        Raises:
            NotFound: no voice has that name.
        """
        if self._stored is None or name in self._library.names():
            return await asyncio.to_thread(self._library.get, name)
        return (await self._get_stored(name))[1]

    async def get_by_handle(self, handle: str) -> Voice:
        """Return a kept voice.

        Raises:
            NotFound: no voice has that handle, or it has expired.
            FailedPrecondition: the server has no voice store.
        """
        return await asyncio.to_thread(self.require_store().handles.get, handle)

    async def create(self, card: VoiceCard, voice: Voice, *, replace: bool) -> bool:
        """Store a voice under a name; return whether it replaces another one.

        Args:
            card: the name, language and description.
            voice: its tokens.
            replace: whether to replace a stored voice of that name.

        Raises:
            BarkserveError: as VoiceStore.create; also if the name belongs to the checkpoint, or
                the server has no voice store.
        """
        stored = self.require_store()
        if card.name in (*self._library.names(), NO_VOICE):
            raise AlreadyExists(
                f"{card.name!r} belongs to the checkpoint and cannot be replaced: choose another"
                " name"
            )
        replaced = await asyncio.to_thread(stored.named.create, card, voice, replace=replace)
        self._hint_expires_at = 0.0
        return replaced

    async def delete(self, name: str) -> None:
        """Delete a stored voice.

        Raises:
            NotFound: no voice has that name.
            FailedPrecondition: the voice belongs to the checkpoint, or the server has no voice
                store.
        """
        stored = self.require_store()
        if name in self._library.names():
            raise FailedPrecondition(f"{name!r} belongs to the checkpoint and cannot be deleted")
        await asyncio.to_thread(stored.named.delete, name)
        self._hint_expires_at = 0.0

    async def keep(self, voice: Voice) -> str:
        """Store a voice until it expires; return its handle."""
        return await asyncio.to_thread(self.require_store().handles.keep, voice)

    async def check_keeping(self) -> None:
        """Check before a synthesis that its voice can be kept.

        Raises:
            FailedPrecondition: the server has no voice store.
            StoreFull: the store has reached its limit.
            StoreUnavailable: the store cannot be written.
        """
        await asyncio.to_thread(self.require_store().handles.check_keeping)

    def require_store(self) -> StoredVoices:
        """Return the voice store.

        Raises:
            FailedPrecondition: the server has none.
        """
        if self._stored is None:
            raise FailedPrecondition(
                "this server has no voice store: start it with --voice-store and a folder or URL"
                " (s3://...)"
            )
        return self._stored

    async def sweep_forever(self) -> None:
        """Delete expired voices until cancelled.

        Warns first if the store cannot be written, and about files in it that are not voices.
        """
        if self._stored is not None:
            with suppress(StoreUnavailable):  # the store has logged it
                await asyncio.to_thread(self._stored.handles.blobs.check_writable, probe=True)
                await asyncio.to_thread(self._stored.named.names)
        while self._stored is not None:
            try:
                await asyncio.to_thread(self._stored.handles.sweep)
            except BarkserveError as error:
                _log.warning("cannot delete expired voices, will try again: %s", error)
            await asyncio.sleep(_SWEEP_INTERVAL_S)

    async def _get_stored(self, name: str) -> tuple[VoiceCard, Voice]:
        if self._stored is not None:
            with suppress(NotFound):
                return await asyncio.to_thread(self._stored.named.get, name)
        names = await self._names_for_hint()
        raise await asyncio.to_thread(self._library.not_found, name, names)

    async def _stored_cards(self, stored: StoredVoices) -> list[VoiceCard]:
        async with self._listing:
            return await asyncio.to_thread(stored.named.cards)

    async def _names_for_hint(self) -> list[str]:
        """The names of stored voices a few seconds ago: many unknown names cause one listing."""
        now = asyncio.get_running_loop().time
        if self._stored is not None and now() >= self._hint_expires_at:
            async with self._listing:
                if now() >= self._hint_expires_at:
                    self._hint_expires_at = now() + _MAX_HINT_AGE_S
                    cards = await asyncio.to_thread(self._stored.named.cards)
                    self._hint_names = [card.name for card in cards]
        return self._hint_names
