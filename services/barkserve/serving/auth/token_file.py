"""The file of --auth-tokens: callers, each with the hash of its token."""

import datetime
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass

from barkserve.errors import Unauthenticated
from barkserve.serving.auth.entries import (
    LIMIT_NAMES,
    checked_limits,
    checked_name,
    checked_roles,
)
from barkserve.serving.auth.token import hash_of
from barkserve.serving.caller import Caller, CallerLimits
from barkserve.serving.reloaded_file import ReloadedFile

_HASH = re.compile(r"[0-9a-f]{64}")
_KEYS = ("name", "token_sha256", "roles", "expires", *LIMIT_NAMES)


@dataclass(frozen=True)
class TokenEntry:
    """One token.

    Attributes:
        caller: who has it.
        expires: when it ends; None for never.
    """

    caller: Caller
    expires: datetime.datetime | None = None


class TokenFile:
    """Finds callers by their tokens.

    Args:
        path: the file.
        default: the limits of callers whose entry has none.

    Raises:
        StartupError: the file cannot be read or is not valid.
    """

    def __init__(self, path: str, default: CallerLimits) -> None:
        self._file = ReloadedFile(
            "--auth-tokens", path, lambda data: parse_token_file(data, default)
        )
        self.follow = self._file.follow

    def caller_of(self, token: str) -> Caller:
        """Return the caller that has a token.

        Tokens are found by their hashes. The time that this takes says something about the hash of
        a guess, which does not help to guess the token.

        Raises:
            Unauthenticated: the token is unknown or has expired.
        """
        entry = self._file.content.get(hash_of(token))
        if entry is None:
            raise Unauthenticated(
                "the token is unknown or was revoked: check that it is complete, or ask the "
                "operator for a new one"
            )
        if entry.expires is not None and entry.expires <= datetime.datetime.now(datetime.UTC):
            raise Unauthenticated(
                f"the token of {entry.caller.name} expired at {entry.expires:%Y-%m-%d %H:%M} UTC: "
                "ask the operator for a new one"
            )
        return entry.caller


def parse_token_file(data: bytes, default: CallerLimits) -> Mapping[str, TokenEntry]:
    """Parse the bytes of the file; return the entries by the hashes of their tokens.

    Args:
        data: TOML with one `[[caller]]` table for each token.
        default: the limits of callers whose entry has none.

    Raises:
        ValueError: it is not valid; the message names the entry.
    """
    document = tomllib.loads(data.decode())
    tables = document.pop("caller", None)
    if document:
        raise ValueError(f"{next(iter(document))!r} is unknown: only [[caller]] tables are allowed")
    if not isinstance(tables, list) or not tables:
        raise ValueError("it has no [[caller]] table; `barkserve token NAME` prints one")
    entries: dict[str, TokenEntry] = {}
    for number, table in enumerate(tables, 1):
        try:
            digest, entry = _parse_entry(table, default)
            if digest in entries:
                raise ValueError("another entry has the same token")
        except ValueError as error:
            raise ValueError(f"[[caller]] table {number}: {error}") from None
        entries[digest] = entry
    return entries


def _parse_entry(table: Mapping[str, object], default: CallerLimits) -> tuple[str, TokenEntry]:
    for key in table:
        if key not in _KEYS:
            raise ValueError(f"{key!r} is unknown: {', '.join(_KEYS)} are allowed")
    digest = table.get("token_sha256")
    if not isinstance(digest, str) or not _HASH.fullmatch(digest):
        raise ValueError("token_sha256 must be a hash of 64 hexadecimal digits in lower case")
    roles = table.get("roles")
    if not isinstance(roles, list):
        raise ValueError("roles must be a list of texts")
    limits = {name: table[name] for name in LIMIT_NAMES if name in table}
    caller = Caller(
        checked_name(table.get("name")), checked_roles(roles), checked_limits(limits, default)
    )
    return digest, TokenEntry(caller, _parse_expiry(table.get("expires")))


def _parse_expiry(value: object) -> datetime.datetime | None:
    if value is None or (isinstance(value, datetime.datetime) and value.tzinfo is not None):
        return None if value is None else value.astimezone(datetime.UTC)
    if isinstance(value, datetime.date) and not isinstance(value, datetime.datetime):
        return datetime.datetime.combine(value, datetime.time(), datetime.UTC)
    raise ValueError("expires must be a date, or a time with its time zone: 2027-01-31T00:00:00Z")
