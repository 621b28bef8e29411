"""gRPC channels to the server: addresses, options and retries."""

import json
import re
from typing import Any

import grpc

from barkclient.errors import InvalidRequest
from barkclient.http_proxy import ProxyUse, is_loopback
from barkclient.tls import Tls

DEFAULT_TARGET = "localhost:50051"

_MAX_MESSAGE_BYTES = 16 * 1024 * 1024
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
                # gRPC's core answers CANCELLED to a call that meets a server's GOAWAY.
                "retryableStatusCodes": ["UNAVAILABLE", "CANCELLED"],
            },
        }
    ],
    "retryThrottling": {"maxTokens": 10, "tokenRatio": 0.1},
}
"""gRPC itself retries a call that fails before its first response. A replica that drains is thus
replaced by another one at the same address."""


def checked_target(target: str) -> str:
    """Return the server's address if it is HOST:PORT or one of gRPC's own forms.

    Raises:
        InvalidRequest: gRPC would not understand the address, or misunderstand it.
    """
    match = _HOST_AND_PORT.fullmatch(target)
    if target.startswith(_GRPC_SCHEMES) or (match and 0 < int(match[1]) <= _LAST_PORT):
        return target
    raise InvalidRequest(
        f"{target!r} is not a server address: give HOST:PORT, for example {DEFAULT_TARGET}"
    )


_ROUND_ROBIN: dict[str, Any] = {"loadBalancingConfig": [{"round_robin": {}}]}


def channel_options(
    target: str, grpc_proxy: ProxyUse, *, spread: bool = False
) -> list[tuple[str, int | str]]:
    """Return the options of a channel to a target.

    Keepalive detects dead and hung peers within three seconds. Small windows slow the server down
    when the client reads slowly.
    """
    config = _SERVICE_CONFIG | (_ROUND_ROBIN if spread else {})
    return [
        ("grpc.max_receive_message_length", _MAX_MESSAGE_BYTES),
        ("grpc.max_send_message_length", _MAX_MESSAGE_BYTES),
        ("grpc.keepalive_time_ms", 1_000),
        ("grpc.keepalive_timeout_ms", 2_000),
        # Without this one, the timeout above has no effect: an unanswered ping may take a minute.
        ("grpc.http2.ping_timeout_ms", 2_000),
        ("grpc.http2.max_pings_without_data", 0),  # gRPC's default stops after two pings
        ("grpc.min_reconnect_backoff_ms", 3_000),  # a hung server accepts connections
        ("grpc.max_reconnect_backoff_ms", 2_000),  # reconnect to a restarted server within seconds
        ("grpc.http2.bdp_probe", 0),  # keep windows at 64 KiB, about a second of audio
        ("grpc.service_config", json.dumps(config)),
        ("grpc.enable_http_proxy", 0 if grpc_proxy == "off" or is_loopback(target) else 1),
    ]


def open_channel(
    target: str, tls: Tls | None, grpc_proxy: ProxyUse, *, spread: bool = False
) -> grpc.Channel:
    """Open a channel for blocking calls; plaintext without `tls`.

    Raises:
        InvalidRequest: `target` is not a server address.
    """
    options = channel_options(checked_target(target), grpc_proxy, spread=spread)
    if tls is None:
        return grpc.insecure_channel(target, options=options)
    return grpc.secure_channel(target, tls.credentials(), options=[*options, *tls.options()])


def open_async_channel(
    target: str,
    tls: Tls | None,
    grpc_proxy: ProxyUse = "environment",
    *,
    spread: bool = False,
) -> grpc.aio.Channel:
    """Open a channel for the running event loop; plaintext without `tls`."""
    options = channel_options(target, grpc_proxy, spread=spread)
    if tls is None:
        return grpc.aio.insecure_channel(target, options=options)
    return grpc.aio.secure_channel(target, tls.credentials(), options=[*options, *tls.options()])
