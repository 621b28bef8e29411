"""The caller's token, wherever the APIs put it."""

import base64
import binascii
from collections.abc import Mapping

_SUBPROTOCOL = "bearer."
"""The beginning of a WebSocket subprotocol that holds a token: browsers can set no headers."""


def token_of(headers: Mapping[str, str]) -> str | None:
    """Find the token of a request.

    It is in `Authorization: Bearer TOKEN`, in `xi-api-key: TOKEN`, or, for WebSockets of browsers,
    in base64url in a subprotocol `bearer.TOKEN`. OpenAI's clients cannot leave the key out, so the
    word "none" means no token.

    Args:
        headers: the headers of the request; their names in lower case.

    Returns:
        The token; None without one.
    """
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        token = headers.get("xi-api-key", "") or _in_subprotocol(headers)
    token = token.strip()
    return None if token in ("", "none") else token


def _in_subprotocol(headers: Mapping[str, str]) -> str:
    for name in headers.get("sec-websocket-protocol", "").split(","):
        if name.strip().startswith(_SUBPROTOCOL):
            encoded = name.strip().removeprefix(_SUBPROTOCOL)
            try:
                padded = encoded + "=" * (-len(encoded) % 4)
                return base64.urlsafe_b64decode(padded).decode()
            except (binascii.Error, UnicodeDecodeError):
                return encoded  # the orchestrator refuses it
    return ""
