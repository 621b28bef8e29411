"""Tokens of the file of --auth-tokens. The file has their SHA-256 hashes only.

A token has 256 random bits. Trying all of them is impossible, so a fast hash is enough.
"""

import hashlib
import secrets

TOKEN_PREFIX = "barkserve_"
"""Lets secret scanners find tokens in source code."""


def new_token() -> str:
    """Make a token."""
    return TOKEN_PREFIX + secrets.token_urlsafe(32)


def hash_of(token: str) -> str:
    """The SHA-256 of a token, 64 hexadecimal digits."""
    return hashlib.sha256(token.encode()).hexdigest()
