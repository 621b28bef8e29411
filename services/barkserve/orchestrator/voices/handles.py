"""Voices kept for a limited time under handles that cannot be guessed.

A handle contains its expiry time, so expired files are found without reading them. All methods
block.
"""

import re
import secrets
import time
from collections.abc import Callable, Iterator

from barkserve.checkpoint.voice_card import VoiceCard
from barkserve.checkpoint.voices import Voice
from barkserve.constants import MAX_NPZ_BYTES
from barkserve.errors import NotFound
from barkserve.orchestrator.voices.blobs import BlobStore
from barkserve.orchestrator.voices.store import VoiceStore

_HANDLE = re.compile(r"([0-9a-f]{10})-[0-9a-f]{32}")  # expiry in seconds since 1970, random digits
_SUFFIX = ".npz"


class VoiceHandles:
    """Stores voices under handles. They count toward the store's limit until they expire.

    Args:
        blobs: the files.
        store: converts voices to files and back.
        seconds: how long a voice is kept.
        clock: returns the seconds since 1970.
    """

    def __init__(
        self,
        blobs: BlobStore,
        store: VoiceStore,
        seconds: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.blobs = blobs
        self.seconds = seconds
        self._store = store
        self._clock = clock
        store.quota.count("with a handle, until it expires", self._valid_files)

    def check_keeping(self) -> None:
        """Check that a voice can be kept.

        Raises:
            StoreFull: the store has reached its limit.
            StoreUnavailable: the store cannot be written.
        """
        self.blobs.check_writable(probe=False)
        self._store.quota.check()

    def keep(self, voice: Voice) -> str:
        """Store a voice; return its handle.

        Raises:
            InvalidArgument: the voice is too large.
            StoreFull: the store has reached its limit.
            StoreUnavailable: the store cannot be written.
        """
        handle = f"{int(self._clock() + self.seconds):010x}-{secrets.token_hex(16)}"
        data = self._store.to_npz(VoiceCard("", voice.language), voice)
        self.blobs.check_writable(probe=False)
        with self._store.quota.reserve(handle + _SUFFIX):
            self.blobs.replace(handle + _SUFFIX, data)
        return handle

    def get(self, handle: str) -> Voice:
        """Return the voice of a handle.

        Raises:
            NotFound: no voice has that handle, or it has expired.
            FailedPrecondition: the voice was made with another checkpoint.
        """
        expires_at = _expires_at(handle)
        data = None
        if expires_at is not None and self._clock() < expires_at:
            data = self.blobs.read(handle + _SUFFIX, MAX_NPZ_BYTES + 1)
        if data is None:
            raise NotFound(
                "no voice has this handle, or it has expired: handles are valid for"
                f" {self.seconds:g} s. CreateVoice stores a voice permanently"
            )
        return self._store.from_npz(data, "", "the voice of this handle")[1]

    def sweep(self) -> int:
        """Delete expired voices; return their number."""
        now = self._clock()
        expired = [file for file, expires_at in self._files() if expires_at <= now]
        return sum(self.blobs.delete(file) for file in expired)

    def _valid_files(self) -> list[str]:
        now = self._clock()
        return [file for file, expires_at in self._files() if expires_at > now]

    def _files(self) -> Iterator[tuple[str, int]]:
        """The files of handles, each with the expiry in seconds since 1970."""
        for file in self.blobs.list().versions:
            expires_at = _expires_at(file.removesuffix(_SUFFIX))
            if expires_at is not None:
                yield file, expires_at


def _expires_at(handle: str) -> int | None:
    """The expiry in seconds since 1970; None if the text is not a handle."""
    match = _HANDLE.fullmatch(handle)
    return int(match[1], 16) if match else None
