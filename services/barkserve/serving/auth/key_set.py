"""The public keys that sign JSON web tokens: the JWKS of an identity provider."""

import asyncio
import json
import logging
import ssl
import time
from collections.abc import Mapping
from typing import Protocol
from urllib.parse import urlsplit

import jwt

from barkserve.errors import KeysUnavailable, StartupError
from barkserve.serving.reloaded_file import ReloadedFile

_log = logging.getLogger(__name__)

REFRESH_INTERVAL_S = 300.0
MIN_REFETCH_S = 10.0
"""Least time between two fetches that unknown keys cause."""
FETCH_TIMEOUT_S = 10.0
_LOOPBACK = ("localhost", "127.0.0.1", "::1")

Keys = Mapping[str, jwt.PyJWK]


class KeySet(Protocol):
    """Public keys by their ids."""

    async def find(self, key_id: str) -> jwt.PyJWK | None:
        """Return a key, None if the provider has no such key.

        Raises:
            KeysUnavailable: no keys could be fetched so far.
        """

    async def follow(self) -> None:
        """Keep the keys up to date until cancelled."""


def open_key_set(location: str, ca: str = "") -> KeySet:
    """Open the key set of --auth-jwks.

    Args:
        location: a file or an https URL; http is allowed on this machine.
        ca: PEM file with the authorities to trust for an https URL; empty: the system's.

    Raises:
        StartupError: a file is missing or not valid, or the URL is not allowed.
    """
    url = urlsplit(location)
    if ca and url.scheme != "https":
        raise StartupError("--auth-jwks-ca needs an https URL in --auth-jwks")
    if "://" not in location:
        return FileKeys(location)
    if url.scheme == "https":
        return UrlKeys(location, trusted=_trusted(ca))
    if url.scheme == "http" and url.hostname in _LOOPBACK:
        return UrlKeys(location)
    raise StartupError(
        f"--auth-jwks {location}: give a file or an https URL; http is allowed for localhost only"
    )


class FileKeys:
    """Keys of a file, which is read again when it changes. Raises StartupError."""

    def __init__(self, path: str) -> None:
        self._file = ReloadedFile("--auth-jwks", path, lambda data: parse_keys(json.loads(data)))
        self.follow = self._file.follow

    async def find(self, key_id: str) -> jwt.PyJWK | None:
        """Return a key, None if the file has no such key."""
        return self._file.content.get(key_id)


class UrlKeys:
    """Keys of a URL. An unknown key causes a fetch, at most one per MIN_REFETCH_S seconds.

    Args:
        url: where the provider publishes its JWKS.
        min_refetch_s: least time between two fetches that unknown keys cause.
        trusted: verifies the certificate of an https URL; None: by the system's authorities.
    """

    def __init__(
        self,
        url: str,
        min_refetch_s: float = MIN_REFETCH_S,
        trusted: ssl.SSLContext | None = None,
    ) -> None:
        self._url = url
        self._min_refetch_s = min_refetch_s
        self._client = jwt.PyJWKClient(
            url, cache_jwk_set=False, timeout=FETCH_TIMEOUT_S, ssl_context=trusted
        )
        self._keys: Keys | None = None
        self._fetched_at = -float("inf")
        self._fetching: asyncio.Task[None] | None = None

    async def find(self, key_id: str) -> jwt.PyJWK | None:
        """Return a key, None if the provider has no such key. Raises KeysUnavailable."""
        if key_id not in (self._keys or ()):
            await self._refetch()
        if self._keys is None:
            raise KeysUnavailable(
                f"the keys that verify this token could not be fetched from {self._url}: retry "
                "later, or ask the operator to check --auth-jwks"
            )
        return self._keys.get(key_id)

    async def follow(self) -> None:
        """Fetch the keys now and every few minutes, until cancelled."""
        while True:
            await self._refetch()
            await asyncio.sleep(self._min_refetch_s if self._keys is None else REFRESH_INTERVAL_S)

    async def _refetch(self) -> None:
        """Fetch the keys, unless that was tried a moment ago. Callers share one fetch."""
        if self._fetching is None or self._fetching.done():
            if time.monotonic() - self._fetched_at < self._min_refetch_s:
                return
            self._fetched_at = time.monotonic()
            self._fetching = asyncio.create_task(self._fetch())
        await asyncio.shield(self._fetching)

    async def _fetch(self) -> None:
        try:
            document = await asyncio.to_thread(self._client.fetch_data)
            self._keys = parse_keys(document)
        except (jwt.PyJWTError, OSError, ValueError) as error:
            _log.error("--auth-jwks: the old keys stay in use: %s: %s", self._url, error)


def _trusted(ca: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca or None)
    except ssl.SSLError:
        raise StartupError(f"--auth-jwks-ca: {ca} has no certificate in PEM format") from None
    except OSError as error:
        raise StartupError(f"--auth-jwks-ca: cannot read {ca} ({error.strerror})") from error


def parse_keys(document: object) -> Keys:
    """Return the public signature keys of a JWKS document by their ids.

    Raises:
        ValueError: it is not a JWKS, or has no such key.
    """
    if not isinstance(document, dict) or not isinstance(document.get("keys"), list):
        raise ValueError("it is not a JSON object with a list of `keys`")
    keys: dict[str, jwt.PyJWK] = {}
    for each in document["keys"]:
        if not isinstance(each, dict) or each.get("kty") not in ("RSA", "EC", "OKP"):
            continue  # a secret key, which everyone could sign with who verifies
        if not isinstance(each.get("kid"), str) or each.get("use", "sig") != "sig":
            continue
        try:
            keys[each["kid"]] = jwt.PyJWK.from_dict(each)
        except jwt.PyJWTError as error:
            _log.warning("--auth-jwks: key %r is not used: %s", each["kid"], error)
    if not keys:
        raise ValueError("it has no public signature key with an id (kid)")
    return keys
