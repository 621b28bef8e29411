"""Channels to other services: how connections are kept alive and how little they buffer."""

import grpc

_OPTIONS = (
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    (
        "grpc.http2.bdp_probe",
        0,
    ),  # windows stay at 64 KiB: a slow reader is felt upstream after about a second
)


def open_channel(address: str) -> grpc.aio.Channel:
    """A channel to host:port. Connects when first used and reconnects by itself."""
    return grpc.aio.insecure_channel(address, options=_OPTIONS)
