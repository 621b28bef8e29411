"""Channels to other services."""

from typing import Self

import grpc

from barkserve.config import ServiceOptions
from barkserve.serving.grpc_options import channel_options
from barkserve.serving.tls import TlsFiles


class Dialer:
    """Opens the channels of one service, all with the same TLS settings.

    Args:
        tls: the certificates of this service and the authorities it trusts; None means plaintext.
    """

    def __init__(self, tls: TlsFiles | None = None) -> None:
        self._tls = tls

    @classmethod
    def from_options(cls, options: ServiceOptions) -> Self:
        """The dialer of a service: TLS if --tls-ca names an authority, else plaintext."""
        return cls(TlsFiles.from_options(options) if options.tls_ca else None)

    @property
    def version(self) -> int:
        """A number that grows when the certificates change; older channels use the old ones."""
        return 0 if self._tls is None else self._tls.current().version

    def open(self, address: str, server_name: str = "") -> grpc.aio.Channel:
        """Open a channel. It connects on first use and reconnects by itself.

        Args:
            address: host:port.
            server_name: the name that the server's certificate must have; empty means the host.
        """
        options = channel_options(address)
        if self._tls is None:
            return grpc.aio.insecure_channel(address, options=options)
        if server_name:
            options = (*options, ("grpc.ssl_target_name_override", server_name))
        return grpc.aio.secure_channel(address, self._tls.channel_credentials(), options=options)
