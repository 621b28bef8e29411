"""Sends a token, the address of the caller and the trace of the application with every call."""

from collections.abc import Callable, Iterator
from typing import Any, TypeVar, cast

from barkclient._internal.trace_headers import trace_headers
from barkclient.errors import InvalidRequest
from barkclient.http_proxy import is_loopback
from barkclient.tls import Tls

Token = str | Callable[[], str]
Channel = TypeVar("Channel")


def check_token(token: Token | None, target: str, tls: Tls | None, *, insecure: bool) -> None:
    """Check before the first call that a token can be sent, and that others cannot read it.

    Args:
        token: the token; None sends none.
        target: the server's address.
        tls: certificates; None: plaintext.
        insecure: whether it may be sent in plaintext to another machine.

    Raises:
        InvalidRequest: it has characters that cannot be sent, or would be sent in plaintext.
    """
    if token is None:
        return
    if isinstance(token, str):
        _checked(token)
    if tls is None and not insecure and not is_loopback(target):
        raise InvalidRequest(
            f"the token would be sent to {target} without encryption: use TLS (--tls, or tls=), or "
            "allow it with --insecure or insecure=True"
        )


def with_token(
    channel: Channel, token: Token | None, address: str = "", request_id: str = ""
) -> Channel:
    """Return a channel for a stub, whose calls carry the token and the application's trace.

    Args:
        channel: an open channel, blocking or asynchronous.
        token: the token, or a function that returns it for each call; None sends none.
        address: the IP address for which the calls are made; empty sends none.
        request_id: the id of the request for which they are made; empty sends none.
    """
    return cast(Channel, _CallerChannel(channel, token, address, request_id))


class _CallerChannel:
    """The methods of a channel that stubs use."""

    def __init__(self, channel: Any, token: Token | None, address: str, request_id: str) -> None:
        self._channel = channel
        self._token = token
        self._address = address
        self._request_id = request_id

    def unary_unary(self, *arguments: Any, **keywords: Any) -> Any:
        return self._adding_caller(self._channel.unary_unary(*arguments, **keywords))

    def unary_stream(self, *arguments: Any, **keywords: Any) -> Any:
        return self._adding_caller(self._channel.unary_stream(*arguments, **keywords))

    def stream_stream(self, *arguments: Any, **keywords: Any) -> Any:
        return self._adding_caller(self._channel.stream_stream(*arguments, **keywords))

    def _adding_caller(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, metadata: Any = None, **keywords: Any) -> Any:
            return method(*arguments, metadata=(*(metadata or ()), *self._caller()), **keywords)

        return call

    def _caller(self) -> Iterator[tuple[str, str]]:
        if self._token is not None:
            token = self._token if isinstance(self._token, str) else self._token()
            yield "authorization", f"Bearer {_checked(token)}"
        if self._address:
            yield "x-forwarded-for", self._address
        if self._request_id:
            yield "x-request-id", self._request_id
        yield from trace_headers()


def _checked(token: str) -> str:
    """Return a token that can be sent. The message of the error does not contain it."""
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise InvalidRequest("the token must be printable ASCII characters without spaces")
    return token
