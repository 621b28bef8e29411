"""Checks lexicon entries of requests and of the server's file."""

import hashlib
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from barkserve.errors import InvalidArgument
from barkserve.orchestrator.text.lexicon import Entry, Lexicon
from barkserve.orchestrator.text.phones import UnknownPhone, spell_phones
from barkserve.orchestrator.text.warnings import Warnings
from barkserve.speakable import speakable
from barkserve.v1 import speech_pb2

MAX_WORD_CHARACTERS = 64
MAX_READING_CHARACTERS = 256
MAX_REQUEST_ENTRIES = 1000
MAX_FILE_ENTRIES = 20_000
_KEYS = ("word", "spelling", "ipa", "match_case")


@dataclass(frozen=True)
class ServerLexicon:
    """The words of the server's file.

    Attributes:
        lexicon: for lookups; None without a file.
        revision: digest of the file; empty without one.
    """

    lexicon: Lexicon | None = None
    revision: str = ""


def request_lexicon(
    entries: Sequence[speech_pb2.LexiconEntry], warnings: Warnings
) -> Lexicon | None:
    """The lexicon of a request; None without entries.

    Args:
        entries: the request's.
        warnings: gets those about entries without effect.

    Raises:
        InvalidArgument: an entry is not valid, or there are too many.
    """
    if len(entries) > MAX_REQUEST_ENTRIES:
        raise InvalidArgument(
            "lexicon", f"must have at most {MAX_REQUEST_ENTRIES} entries, found {len(entries)}"
        )
    checked: list[Entry] = []
    for entry in entries:
        try:
            checked.append(_entry(entry.word, entry.spelling, entry.ipa, entry.match_case))
        except UnknownPhone as error:
            warnings.add(
                speech_pb2.WARNING_CODE_LEXICON_IGNORED,
                f"the lexicon's entry {entry.word!r} has no effect: {error}",
            )
        except ValueError as error:
            raise InvalidArgument("lexicon", str(error)) from None
    try:
        _check_unique(checked)
    except ValueError as error:
        raise InvalidArgument("lexicon", str(error)) from None
    return Lexicon(checked) if checked else None


def parse_lexicon_file(data: bytes) -> ServerLexicon:
    """Parse the bytes of --lexicon: TOML with one `[[entry]]` table for each word.

    Raises:
        ValueError: it is not valid; the message names the entry.
    """
    document = tomllib.loads(data.decode())
    tables = document.pop("entry", None)
    if document:
        raise ValueError(f"{next(iter(document))!r} is unknown: only [[entry]] tables are allowed")
    if not isinstance(tables, list) or not tables:
        raise ValueError("it has no [[entry]] table")
    if len(tables) > MAX_FILE_ENTRIES:
        raise ValueError(f"it has more than {MAX_FILE_ENTRIES} entries")
    entries = []
    for number, table in enumerate(tables, 1):
        try:
            entries.append(_table_entry(table))
        except ValueError as error:
            raise ValueError(f"[[entry]] table {number}: {error}") from None
    _check_unique(entries)
    return ServerLexicon(Lexicon(entries), hashlib.sha256(data).hexdigest()[:16])


def _table_entry(table: Mapping[str, object]) -> Entry:
    for key in table:
        if key not in _KEYS:
            raise ValueError(f"{key!r} is unknown: {', '.join(_KEYS)} are allowed")
    word, spelling, ipa = (table.get(key, "") for key in ("word", "spelling", "ipa"))
    match_case = table.get("match_case", False)
    if not (isinstance(word, str) and isinstance(spelling, str) and isinstance(ipa, str)):
        raise ValueError("word, spelling and ipa must be strings")
    if not isinstance(match_case, bool):
        raise ValueError("match_case must be true or false")
    return _entry(word, spelling, ipa, match_case)


def _entry(word: str, spelling: str, ipa: str, match_case: bool) -> Entry:
    """Check one entry. Raises ValueError, or UnknownPhone if its sounds cannot be spelled."""
    if not word or word != word.strip() or len(word) > MAX_WORD_CHARACTERS:
        raise ValueError(
            f"word must have 1 to {MAX_WORD_CHARACTERS} characters without space around them, "
            f"found {word[: MAX_WORD_CHARACTERS + 1]!r}"
        )
    if bool(spelling) == bool(ipa):
        raise ValueError(f"{word!r} needs either a spelling or ipa")
    if len(spelling or ipa) > MAX_READING_CHARACTERS:
        raise ValueError(f"the reading of {word!r} is above {MAX_READING_CHARACTERS} characters")
    reading = spelling or spell_phones(ipa)
    if not speakable(reading):
        raise ValueError(f"the reading of {word!r} has no letter or digit")
    return Entry(word, reading, match_case)


def _check_unique(entries: Iterable[Entry]) -> None:
    known: set[tuple[str, bool]] = set()
    for entry in entries:
        word = entry.word if entry.match_case else entry.word.casefold()
        if (word, entry.match_case) in known:
            raise ValueError(f"{entry.word!r} has two entries")
        known.add((word, entry.match_case))
