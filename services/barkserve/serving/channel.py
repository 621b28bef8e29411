"""Channels to other services."""

import logging
from typing import Self

import grpc

from barkclient.http_proxy import ProxyUse, is_loopback, via_proxy
from barkserve.config.autoscaler import AutoscalerOptions
from barkserve.config.orchestrator import OrchestratorOptions
from barkserve.serving.auth.outgoing_token import OutgoingToken
from barkserve.serving.grpc_options import channel_options
from barkserve.serving.tls import TlsFiles

_log = logging.getLogger(__name__)


class Dialer:
    """Opens the channels of one service, all with the same TLS settings.

    Args:
        tls: the certificates of this service and the authorities it trusts; None means plaintext.
        token: what the calls carry. It is not sent in plaintext to another machine.
        grpc_proxy: whether calls go through the HTTP proxy that the environment names.
    """

    def __init__(
        self,
        tls: TlsFiles | None = None,
        token: OutgoingToken | None = None,
        grpc_proxy: ProxyUse = "off",
    ) -> None:
        self._tls = tls
        self._token = token
        self._grpc_proxy = grpc_proxy

    @classmethod
    def from_options(
        cls, options: OrchestratorOptions | AutoscalerOptions, token_file: str = ""
    ) -> Self:
        """The dialer of a service: TLS if --tls-ca names an authority, else plaintext.

        Raises:
            StartupError: a file cannot be read.
        """
        token = OutgoingToken(token_file) if token_file else None
        tls = TlsFiles.from_options(options) if options.tls_ca else None
        return cls(tls, token, options.grpc_proxy)

    @property
    def version(self) -> int:
        """A number that grows when the certificates change; older channels use the old ones."""
        return 0 if self._tls is None else self._tls.current().version

    def via(self, address: str) -> str:
        """Name the proxy to an address, for error messages; empty if calls use none."""
        return via_proxy(address, self._grpc_proxy)

    def open(self, address: str, server_name: str = "") -> grpc.aio.Channel:
        """Open a channel. It connects on first use and reconnects by itself.

        Args:
            address: host:port.
            server_name: the name that the server's certificate must have; empty means the host.
        """
        options = channel_options(address, self._grpc_proxy)
        interceptors = () if self._token is None else (self._token,)
        if self._tls is None:
            if interceptors and not is_loopback(address):
                _log.error("--token-file is not sent to %s without TLS: set --tls-ca", address)
                interceptors = ()
            return grpc.aio.insecure_channel(address, options=options, interceptors=interceptors)
        if server_name:
            options = (*options, ("grpc.ssl_target_name_override", server_name))
        return grpc.aio.secure_channel(
            address, self._tls.channel_credentials(), options=options, interceptors=interceptors
        )
