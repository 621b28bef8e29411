"""Voices that are kept for a while under handles nobody can guess, on any replica.

A handle says itself when it expires, so no file need be read to know which to delete. All methods
block.
"""

import re
import secrets
import time
from collections.abc import Callable

from barkserve.checkpoint.voice_card import VoiceCard
from barkserve.checkpoint.voices import MAX_NPZ_BYTES, Voice
from barkserve.errors import NotFound
from barkserve.orchestrator.voices.blobs import BlobStore
from barkserve.orchestrator.voices.store import VoiceStore

_HANDLE = re.compile(r"([0-9a-f]{10})-[0-9a-f]{32}")
_SUFFIX = ".npz"


class VoiceHandles:
    """Kept voices.

    Args:
        files: where they lie.
        store: makes files of voices and back.
        seconds: how long a voice is kept.
        clock: seconds since 1970.
    """

    def __init__(
        self,
        files: BlobStore,
        store: VoiceStore,
        seconds: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._files = files
        self._store = store
        self._clock = clock
        self.seconds = seconds

    def check_keeping(self, *, thoroughly: bool) -> None:
        """Raise StoreUnavailable if it shows that nothing can be kept."""
        self._files.check_writable(thoroughly=thoroughly)

    def keep(self, voice: Voice) -> str:
        """Store a voice; returns its handle."""
        handle = f"{int(self._clock() + self.seconds):010x}-{secrets.token_hex(16)}"
        self._files.replace(
            handle + _SUFFIX, self._store.packed(VoiceCard("", voice.language), voice)
        )
        return handle

    def get(self, handle: str) -> Voice:
        """The voice of a handle. Raises NotFound for one that does not exist or has expired."""
        expires = _expiry(handle)
        data = None
        if expires is not None and self._clock() < expires:
            data = self._files.read(handle + _SUFFIX, MAX_NPZ_BYTES + 1)
        if data is None:
            raise NotFound(
                f"no voice has this handle, or it was forgotten: handles live {self.seconds:g} s,"
                " CreateVoice keeps a voice for good"
            )
        return self._store.unpacked(data, "of this handle")[1]

    def sweep(self) -> int:
        """Delete what has expired; returns how many."""
        now = self._clock()
        expired = [
            file
            for file in self._files.list()
            if (expires := _expiry(file.removesuffix(_SUFFIX))) is not None and expires <= now
        ]
        return sum(self._files.delete(file) for file in expired)


def _expiry(handle: str) -> int | None:
    """Seconds since 1970; None for what is no handle."""
    match = _HANDLE.fullmatch(handle)
    return int(match[1], 16) if match else None
