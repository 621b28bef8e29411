"""Created voices, stored by name in files that all replicas of the orchestrator share.

All methods block.
"""

import logging
import re
import time
from dataclasses import dataclass

from barkserve.checkpoint.bark_config import BarkConfig
from barkserve.checkpoint.voice_card import VoiceCard
from barkserve.checkpoint.voices import Voice
from barkserve.constants import MAX_NPZ_BYTES
from barkserve.errors import (
    AlreadyExists,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    StoreUnavailable,
)
from barkserve.orchestrator.voices.blobs import BlobStore
from barkserve.orchestrator.voices.npz import TokenRanges, VoiceRecord, pack, unpack
from barkserve.orchestrator.voices.quota import VoiceQuota

MAX_NAME_CHARACTERS = 64
_WORD = r"[A-Za-z0-9][A-Za-z0-9._-]*"
_NAME = re.compile(rf"{_WORD}(?:/{_WORD})*")
_SUFFIX = ".npz"
_PRESETS = "v2"  # a folder in the store for copies of Suno's presets, whose names begin with it
_OTHER_FOLDERS = ("handles", "lost+found")  # not read here, and known
_SLASH = "~"  # replaces / in file names; no voice name contains it, so file names stay unique

_NAME_RULE = (
    f"must have 1 to {MAX_NAME_CHARACTERS} characters: letters a-z and A-Z, digits, . _ -,"
    " starting with a letter or digit. Such words can be joined by /. A name must not end"
    f" in {_SUFFIX}"
)

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _StoredFile:
    """A file of a voice.

    Attributes:
        version: changes when the file does.
        is_preset: whether it is in the folder of presets.
    """

    version: str
    is_preset: bool = False


class VoiceStore:
    """Stores voices by name. A file NAME.npz in the folder v2 is the voice v2/NAME.

    Args:
        blobs: the files.
        config: the configuration of the server's checkpoint.
        checkpoint: its name.
        capacity: the largest number of voices, those with handles included.

    Attributes:
        quota: counts the voices.
    """

    def __init__(
        self, blobs: BlobStore, config: BarkConfig, checkpoint: str, capacity: int
    ) -> None:
        self._blobs = blobs
        self._presets = blobs.subfolder(_PRESETS)
        self._config = config
        self._checkpoint = checkpoint
        # Name to file and card; the card is None for voices that cannot be used.
        self._cards: dict[str, tuple[_StoredFile, VoiceCard | None]] = {}
        self._reported: frozenset[str] = frozenset()  # files that the log has named
        self.quota = VoiceQuota(capacity)
        self.quota.count("with a name", self.names)

    def names(self) -> list[str]:
        """Return all names, sorted. Logs each file that is ignored once."""
        return list(self._list_files())

    def cards(self) -> list[VoiceCard]:
        """Return the cards of all voices that the checkpoint can use.

        Reads only files that have changed since the last call.
        """
        files, known = self._list_files(), self._cards
        self._cards = {
            name: known[name]
            if name in known and known[name][0] == file
            else (file, self._read_card(name))
            for name, file in files.items()
        }
        return [card for _, card in self._cards.values() if card is not None]

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

    def create(self, card: VoiceCard, voice: Voice, *, replace: bool) -> bool:
        """Store a voice under the card's name; return whether it replaces another one.

        Raises:
            InvalidArgument: the name is not valid, or the voice is too large.
            AlreadyExists: the name exists, and `replace` is not set.
            StoreFull: the store has reached its capacity.
        """
        name = _checked_name(card.name)
        data = self.to_npz(card, voice)
        with self.quota.reserve(name):
            has_preset = self._has_preset(name)
            if (replace or not has_preset) and self._blobs.create(_file_name(name), data):
                return has_preset
            if not replace:
                raise AlreadyExists(
                    f"a voice named {name!r} already exists: choose another name, or set `replace`"
                )
            self._blobs.replace(_file_name(name), data)
            return True

    def delete(self, name: str) -> None:
        """Delete a voice.

        Raises:
            NotFound: no voice has that name.
        """
        deleted = False
        if _is_valid_name(name):
            deleted = self._blobs.delete(_file_name(name))
            if preset := _preset_file(name):
                deleted = self._presets.delete(preset) or deleted
        if not deleted:
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

    def _list_files(self) -> dict[str, _StoredFile]:
        """Name to file, sorted. A file in the store itself wins over a preset of the same name."""
        listing = self._blobs.list()
        presets = self._presets.list().versions if _PRESETS in listing.folders else {}
        named = [
            *((f"{_PRESETS}/{file}", file, _preset_name(file)) for file in presets),
            *((file, file, _name(file)) for file in listing.versions),
        ]
        ignored = {
            path: f"its name {_NAME_RULE}"
            for path, file, name in named
            if file.lower().endswith(_SUFFIX) and not _is_valid_name(name)
        }
        for folder in listing.folders.difference((_PRESETS, *_OTHER_FOLDERS)):
            ignored[f"{folder}/"] = (
                f"only the folder {_PRESETS}/ is read. Move its files into the store itself, with"
                f" {folder}{_SLASH} before their names"
            )
        self._report_ignored(ignored)
        files = {
            **{_preset_name(file): _StoredFile(presets[file], True) for file in presets},
            **{_name(file): _StoredFile(version) for file, version in listing.versions.items()},
        }
        return {name: files[name] for name in sorted(files) if _is_valid_name(name)}

    def _report_ignored(self, ignored: dict[str, str]) -> None:
        for path in sorted(ignored.keys() - self._reported):
            _log.warning(
                "voice store %s: %r is ignored: %s", self._blobs.location, path, ignored[path]
            )
        self._reported = frozenset(ignored)

    def _has_preset(self, name: str) -> bool:
        return self._read_preset(name) is not None

    def _read_preset(self, name: str) -> bytes | None:
        """The file of a preset; None if there is none."""
        preset = _preset_file(name)
        return self._presets.read(preset, MAX_NPZ_BYTES + 1) if preset else None

    def _read(self, name: str) -> tuple[VoiceCard, Voice] | None:
        data = self._blobs.read(_file_name(name), MAX_NPZ_BYTES + 1)
        if data is None:
            data = self._read_preset(name)
        if data is None:
            return None
        record, voice = self.from_npz(data, name, f"voice {name!r}")
        if record.name != name and record.name.lower() == name.lower():
            return None  # the file system ignores case, and this is another voice
        return VoiceCard(name, record.language, record.description, stored=True), voice

    def _read_card(self, name: str) -> VoiceCard | None:
        """The card of a voice; None if it cannot be used or has just been deleted."""
        try:
            found = self._read(name)
        except (FailedPrecondition, StoreUnavailable) as error:
            _log.warning("a voice is not listed: %s", error)
            return None
        return None if found is None else found[0]


def _checked_name(name: str) -> str:
    if not _is_valid_name(name):
        raise InvalidArgument("name", _NAME_RULE)
    return name


def _is_valid_name(name: str) -> bool:
    """Whether a name is valid. Clients take a name that ends in .npz for a local file."""
    if len(name) > MAX_NAME_CHARACTERS or name.endswith(_SUFFIX):
        return False
    return _NAME.fullmatch(name) is not None


def _file_name(name: str) -> str:
    return name.replace("/", _SLASH) + _SUFFIX


def _name(file: str) -> str:
    """The voice's name; "" for a file that is not a voice."""
    return file.removesuffix(_SUFFIX).replace(_SLASH, "/") if file.endswith(_SUFFIX) else ""


def _preset_file(name: str) -> str:
    """The file of a voice in the folder of presets; "" if the name is not a preset's."""
    folder, _, preset = name.partition("/")
    return preset + _SUFFIX if folder == _PRESETS and preset and "/" not in preset else ""


def _preset_name(file: str) -> str:
    """The name of a preset; "" for a file that is not a voice."""
    return f"{_PRESETS}/{file.removesuffix(_SUFFIX)}" if file.endswith(_SUFFIX) else ""
