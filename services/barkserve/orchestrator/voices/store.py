"""Created voices, stored by name in files that all replicas of the orchestrator share.

All methods block.
"""

import logging
import re
import time

from barkserve.checkpoint.bark_config import BarkConfig
from barkserve.checkpoint.voice_card import VoiceCard
from barkserve.checkpoint.voices import MAX_NPZ_BYTES, Voice
from barkserve.errors import (
    AlreadyExists,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    StoreFull,
    StoreUnavailable,
)
from barkserve.orchestrator.voices.blobs import BlobStore
from barkserve.orchestrator.voices.npz import TokenRanges, VoiceRecord, pack, unpack

MAX_NAME_CHARACTERS = 64
_WORD = r"[A-Za-z0-9][A-Za-z0-9._-]*"
_NAME = re.compile(rf"{_WORD}(?:/{_WORD})*")
_SUFFIX = ".npz"
_SLASH = "~"  # replaces / in file names; no voice name contains it, so file names stay unique

_log = logging.getLogger(__name__)


class VoiceStore:
    """Stores voices by name.

    Args:
        blobs: the files.
        config: the configuration of the server's checkpoint.
        checkpoint: its name.
        capacity: the largest number of voices.
    """

    def __init__(
        self, blobs: BlobStore, config: BarkConfig, checkpoint: str, capacity: int
    ) -> None:
        self.capacity = capacity
        self._blobs = blobs
        self._config = config
        self._checkpoint = checkpoint
        # File name to version and card; the card is None for voices that cannot be used.
        self._cards: dict[str, tuple[str, VoiceCard | None]] = {}

    def cards(self) -> list[VoiceCard]:
        """Return the cards of all voices that the checkpoint can use.

        Reads only files that have changed since the last call.
        """
        versions = self._list_versions()
        known = {file: card for file, card in self._cards.items() if file in versions}
        for file, version in versions.items():
            if known.get(file, ("", None))[0] != version:
                known[file] = (version, self._read_card(file))
        self._cards = known
        return [card for _, card in known.values() if card is not None]

    def get(self, name: str) -> tuple[VoiceCard, Voice]:
        """Return a voice and its card.

        Raises:
            NotFound: no voice has that name.
            FailedPrecondition: the voice was made with another checkpoint, or its file is broken.
        """
        found = self._read(name) if _is_valid_name(name) else None
        if found is None:
            raise NotFound(f"no stored voice has the name {name[:80]!r}")
        return found

    def create(self, card: VoiceCard, voice: Voice, *, replace: bool) -> None:
        """Store a voice under the card's name.

        Raises:
            InvalidArgument: the name is not valid, or the voice is too large.
            AlreadyExists: the name exists, and `replace` is not set.
            StoreFull: the store has reached its capacity.
        """
        file, versions = _file_name(_checked_name(card.name)), self._list_versions()
        if file not in versions and len(versions) >= self.capacity:
            raise StoreFull(
                "voices",
                f"{len(versions)} voices are stored and the limit is {self.capacity}; delete one,"
                " or start the server with a larger --max-stored-voices",
            )
        data = self.to_npz(card, voice)
        if replace:
            self._blobs.replace(file, data)
        elif not self._blobs.create(file, data):
            raise AlreadyExists(
                f"a voice named {card.name!r} already exists: choose another name, or set `replace`"
            )

    def delete(self, name: str) -> None:
        """Delete a voice.

        Raises:
            NotFound: no voice has that name.
        """
        if not _is_valid_name(name) or not self._blobs.delete(_file_name(name)):
            raise NotFound(f"no stored voice has the name {name[:80]!r}")

    def to_npz(self, card: VoiceCard, voice: Voice) -> bytes:
        """Convert a voice to the bytes of a file.

        Raises:
            InvalidArgument: the voice is too large.
        """
        ranges = TokenRanges.from_config(self._config)
        record = VoiceRecord(
            card.name, card.language, card.description, time.time(), self._checkpoint, ranges
        )
        data = pack(voice, record)
        if len(data) > MAX_NPZ_BYTES:
            raise InvalidArgument(
                "source", f"makes a voice of {len(data)} bytes; the limit is {MAX_NPZ_BYTES}"
            )
        return data

    def from_npz(self, data: bytes, name: str, subject: str) -> tuple[VoiceRecord, Voice]:
        """Convert the bytes of a file to a voice.

        Args:
            data: the file.
            name: the name of the voice if the file does not contain one.
            subject: what to call the voice in errors.

        Raises:
            FailedPrecondition: the voice was made with another checkpoint, or its file is broken.
        """
        try:
            return unpack(data, self._config, name)
        except InvalidArgument as error:
            raise FailedPrecondition(
                f"{subject} cannot be used with checkpoint {self._checkpoint}:"
                f" {error.description}. Delete or replace the voice"
            ) from None

    def _list_versions(self) -> dict[str, str]:
        """File name to version, sorted; only files whose names are those of voices."""
        versions = self._blobs.list()
        return {file: versions[file] for file in sorted(versions) if _is_valid_name(_name(file))}

    def _read(self, name: str) -> tuple[VoiceCard, Voice] | None:
        data = self._blobs.read(_file_name(name), MAX_NPZ_BYTES + 1)
        if data is None:
            return None
        record, voice = self.from_npz(data, name, f"voice {name!r}")
        if record.name != name and record.name.lower() == name.lower():
            return None  # the file system ignores case, and this is another voice
        return VoiceCard(name, record.language, record.description, stored=True), voice

    def _read_card(self, file: str) -> VoiceCard | None:
        """The card of a file; None if the voice cannot be used or has just been deleted."""
        try:
            found = self._read(_name(file))
        except (FailedPrecondition, StoreUnavailable) as error:
            _log.warning("a voice is not listed: %s", error)
            return None
        return None if found is None else found[0]


def _checked_name(name: str) -> str:
    if not _is_valid_name(name):
        raise InvalidArgument(
            "name",
            f"must have 1 to {MAX_NAME_CHARACTERS} characters: letters a-z and A-Z, digits, . _ -,"
            " starting with a letter or digit. Such words can be joined by /. A name must not end"
            f" in {_SUFFIX}",
        )
    return name


def _is_valid_name(name: str) -> bool:
    """Whether a name is valid. Clients take a name that ends in .npz for a local file."""
    matches = _NAME.fullmatch(name) is not None
    return matches and len(name) <= MAX_NAME_CHARACTERS and not name.endswith(_SUFFIX)


def _file_name(name: str) -> str:
    return name.replace("/", _SLASH) + _SUFFIX


def _name(file: str) -> str:
    """The voice's name; "" for a file that is not a voice."""
    return file.removesuffix(_SUFFIX).replace(_SLASH, "/") if file.endswith(_SUFFIX) else ""
