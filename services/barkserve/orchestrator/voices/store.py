"""The voices that were created, by name, in files that all replicas of the orchestrator share.

Knows names, limits and what a file must hold; knows no messages and no voices of the checkpoint.
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
_SLASH = "~"  # in file names; no voice's name holds one, so no two names share a file

_log = logging.getLogger(__name__)


class VoiceStore:
    """Created voices.

    Args:
        files: where they lie.
        config: the checkpoint's that speaks.
        checkpoint: its name.
        capacity: voices it may hold.
    """

    def __init__(
        self, files: BlobStore, config: BarkConfig, checkpoint: str, capacity: int
    ) -> None:
        self.capacity = capacity
        self._files = files
        self._config = config
        self._checkpoint = checkpoint
        self._cards: dict[str, tuple[str, VoiceCard | None]] = {}  # by file name, with its mark

    def cards(self) -> list[VoiceCard]:
        """All voices that the checkpoint can speak with. Reads only files that have changed."""
        listed = self._listed()
        known = {name: card for name, card in self._cards.items() if name in listed}
        for name, mark in listed.items():
            if known.get(name, ("", None))[0] != mark:
                known[name] = (mark, self._read_card(name))
        self._cards = known
        return [card for _, card in known.values() if card is not None]

    def get(self, name: str) -> tuple[VoiceCard, Voice]:
        """A voice.

        Raises:
            NotFound: nothing has that name.
            FailedPrecondition: it was made for another kind of checkpoint, or is broken.
        """
        found = self._read(name) if _is_name(name) else None
        if found is None:
            raise NotFound(f"no stored voice has the name {name[:80]!r}")
        return found

    def create(self, card: VoiceCard, voice: Voice, *, replace: bool) -> None:
        """Store a voice under the card's name.

        Raises:
            InvalidArgument: the name is none, or the voice is too large.
            AlreadyExists: the name is taken, and `replace` is not set.
            StoreFull: there are as many voices as may be.
        """
        file, listed = _file(_checked_name(card.name)), self._listed()
        if file not in listed and len(listed) >= self.capacity:
            raise StoreFull(
                "voices",
                f"{len(listed)} are stored and {self.capacity} is the limit; delete one, or start"
                " the server with a larger --max-stored-voices",
            )
        data = self.packed(card, voice)
        if replace:
            self._files.replace(file, data)
        elif not self._files.create(file, data):
            raise AlreadyExists(
                f"a voice has the name {card.name!r} already: choose another, or set `replace`"
            )

    def delete(self, name: str) -> None:
        """Remove a voice. Raises NotFound if nothing has that name."""
        if not _is_name(name) or not self._files.delete(_file(name)):
            raise NotFound(f"no stored voice has the name {name[:80]!r}")

    def packed(self, card: VoiceCard, voice: Voice) -> bytes:
        """A voice as the bytes of a file."""
        ranges = TokenRanges.of(self._config)
        record = VoiceRecord(
            card.name, card.language, card.description, time.time(), self._checkpoint, ranges
        )
        data = pack(voice, record)
        if len(data) > MAX_NPZ_BYTES:
            raise InvalidArgument(
                "source", f"makes a voice of {len(data)} bytes, {MAX_NPZ_BYTES} is the limit"
            )
        return data

    def unpacked(self, data: bytes, name: str) -> tuple[VoiceRecord, Voice]:
        """A file's bytes as a voice. Raises FailedPrecondition if it does not fit."""
        try:
            return unpack(data, self._config, name)
        except InvalidArgument as error:
            raise FailedPrecondition(
                f"voice {name!r} does not fit {self._checkpoint}, which speaks here: it"
                f" {error.description}; delete it or replace it"
            ) from None

    def _listed(self) -> dict[str, str]:
        listed = self._files.list()
        return {file: listed[file] for file in sorted(listed) if _is_name(_name(file))}

    def _read(self, name: str) -> tuple[VoiceCard, Voice] | None:
        data = self._files.read(_file(name), MAX_NPZ_BYTES + 1)
        if data is None:
            return None
        record, voice = self.unpacked(data, name)
        if record.name != name and record.name.lower() == name.lower():
            return None  # a file system that takes Ann and ann for one
        return VoiceCard(name, record.language, record.description, stored=True), voice

    def _read_card(self, file: str) -> VoiceCard | None:
        """None for what cannot be spoken with, and for what was deleted just now."""
        try:
            found = self._read(_name(file))
        except (FailedPrecondition, StoreUnavailable) as error:
            _log.warning("left out of the list of voices: %s", error)
            return None
        return None if found is None else found[0]


def _checked_name(name: str) -> str:
    if not _is_name(name):
        raise InvalidArgument(
            "name",
            f"must be 1 to {MAX_NAME_CHARACTERS} letters a-z A-Z, digits and . _ -, beginning with"
            f" a letter or digit; several such words may be joined by /; {_SUFFIX} is for files",
        )
    return name


def _is_name(name: str) -> bool:
    """Clients take what ends in .npz for a file of theirs."""
    matches = _NAME.fullmatch(name) is not None
    return matches and len(name) <= MAX_NAME_CHARACTERS and not name.endswith(_SUFFIX)


def _file(name: str) -> str:
    return name.replace("/", _SLASH) + _SUFFIX


def _name(file: str) -> str:
    """The voice's name, "" for a file that is none of ours."""
    return file.removesuffix(_SUFFIX).replace(_SLASH, "/") if file.endswith(_SUFFIX) else ""
