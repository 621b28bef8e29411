"""Channels to other services: how connections are kept alive and secured, and how little they
buffer.
"""

import grpc

from barkserve.serving.tls import TlsFiles

_OPTIONS = (
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    ("grpc.use_local_subchannel_pool", 1),  # not the backoff of what had this address before
    ("grpc.http2.bdp_probe", 0),  # 64 KiB for good: a slow reader is felt in about a second
)


def open_channel(address: str) -> grpc.aio.Channel:
    """A plaintext channel to host:port. Connects when first used and reconnects by itself."""
    return grpc.aio.insecure_channel(address, options=_OPTIONS)


class Dialer:
    """Opens channels, all secured in the same way.

    Args:
        tls: our certificate and who is trusted; None: plaintext.
    """

    def __init__(self, tls: TlsFiles | None = None) -> None:
        self._tls = tls

    @property
    def version(self) -> int:
        """Grows when the certificates have changed: channels opened before show the old ones."""
        return 0 if self._tls is None else self._tls.current().version

    def open(self, address: str, server_name: str = "") -> grpc.aio.Channel:
        """A channel to host:port.

        Args:
            address: host:port.
            server_name: the name that the server's certificate must hold; empty: the host.
        """
        if self._tls is None:
            return open_channel(address)
        options = list(_OPTIONS)
        if server_name:
            options.append(("grpc.ssl_target_name_override", server_name))  # type: ignore[arg-type]
        return grpc.aio.secure_channel(
            address, self._tls.channel_credentials(), options=tuple(options)
        )
