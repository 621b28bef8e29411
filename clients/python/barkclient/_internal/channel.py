"""Where the server is, and how gRPC is to hold the connection to it."""

import json
import re
from typing import Any

import grpc

from barkclient.errors import InvalidRequest
from barkclient.tls import Tls
from barkserve.v1 import speech_pb2_grpc

DEFAULT_TARGET = "localhost:50051"

_MAX_MESSAGE_BYTES = 16 * 1024 * 1024
_LOOPBACK = ("localhost:", "127.", "[::1]", "unix:")
_HOST_AND_PORT = re.compile(r"(?:\[[^\]\s]+\]|[^\s:/\[\]]+):([0-9]{1,5})")
_LAST_PORT = 65535
_GRPC_SCHEMES = ("dns:", "unix:", "unix-abstract:", "vsock:", "ipv4:", "ipv6:", "xds:")

_SPEECH_SERVICE = "barkserve.v1.SpeechService"
_REPEATABLE = ("Synthesize", "StreamingSynthesize", "ListVoices", "GetVoice", "GetServerInfo")
_SERVICE_CONFIG = {
    "methodConfig": [
        {
            "name": [{"service": _SPEECH_SERVICE, "method": method} for method in _REPEATABLE],
            "retryPolicy": {
                "maxAttempts": 3,
                "initialBackoff": "0.1s",
                "maxBackoff": "1s",
                "backoffMultiplier": 3,
                # CANCELLED is what gRPC's core answers to a call that meets a server's goodbye.
                "retryableStatusCodes": ["UNAVAILABLE", "CANCELLED"],
            },
        }
    ],
    "retryThrottling": {"maxTokens": 10, "tokenRatio": 0.1},
}
"""A call that fails before its first answer is made again, by gRPC itself: the server behind the
address was going away, and another is behind it now."""


def checked_target(target: str) -> str:
    """A server's address, HOST:PORT or one of gRPC's own forms. Raises InvalidRequest for what gRPC
    would take for some other place, or complain of in its own words.
    """
    match = _HOST_AND_PORT.fullmatch(target)
    if target.startswith(_GRPC_SCHEMES) or (match and 0 < int(match[1]) <= _LAST_PORT):
        return target
    raise InvalidRequest(
        f"{target!r} is no address of a server: give HOST:PORT, {DEFAULT_TARGET} for instance"
    )


def channel_options(target: str) -> list[tuple[str, int | str]]:
    """Options of every channel: a dead peer is noticed and tried once more, a slow listener is felt
    by the server.
    """
    return [
        ("grpc.max_receive_message_length", _MAX_MESSAGE_BYTES),
        ("grpc.max_send_message_length", _MAX_MESSAGE_BYTES),
        ("grpc.keepalive_time_ms", 30_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        ("grpc.max_reconnect_backoff_ms", 2_000),  # else a server that was away is away for minutes
        ("grpc.http2.bdp_probe", 0),  # windows stay at 64 KiB: a second or so of audio
        ("grpc.service_config", json.dumps(_SERVICE_CONFIG)),
        ("grpc.enable_http_proxy", 0 if target.startswith(_LOOPBACK) else 1),
    ]


def open_channel(target: str, tls: Tls | None) -> grpc.Channel:
    """A channel for blocking calls; plaintext without `tls`. Raises InvalidRequest for an address
    that is none.
    """
    options: list[Any] = [*channel_options(checked_target(target))]
    if tls is None:
        return grpc.insecure_channel(target, options=options)
    return grpc.secure_channel(target, tls.credentials(), options=options + tls.options())


def open_async_channel(target: str, tls: Tls | None) -> grpc.aio.Channel:
    """The same for the event loop that runs now."""
    options: list[Any] = [*channel_options(target)]
    if tls is None:
        return grpc.aio.insecure_channel(target, options=options)
    return grpc.aio.secure_channel(target, tls.credentials(), options=options + tls.options())


def speech_stub(channel: grpc.Channel | grpc.aio.Channel) -> Any:
    """The generated stub, which has no types."""
    make: Any = speech_pb2_grpc.SpeechServiceStub
    return make(channel)
