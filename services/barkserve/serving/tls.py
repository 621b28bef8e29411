"""TLS certificates: read from files, checked, and read again when the files change.

A new certificate is used once it matches its key. Until then the old one stays in use.
"""

import logging
import ssl
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import grpc

from barkserve.config import ListenOptions, ProcessOptions
from barkserve.errors import StartupError
from barkserve.serving.certificate import Certificate
from barkserve.serving.grpc_options import CHANNEL_OPTIONS, NO_PROXY, GrpcOptions

_log = logging.getLogger(__name__)

RELOAD_S = 5.0
"""Least time between two checks of the files."""

_Stamp = tuple[tuple[int, int, int] | None, ...]


@dataclass(frozen=True)
class Certificates:
    """The last valid contents of the files.

    Attributes:
        chain: our certificate and the intermediate ones, PEM; None without one.
        key: the private key of our certificate, PEM; None without one.
        ca: the trusted authorities, PEM; None means those of the system.
        version: 1, plus the number of changes.
    """

    chain: bytes | None
    key: bytes | None
    ca: bytes | None
    version: int


class TlsFiles:
    """The TLS files of a service.

    Args:
        certificate: PEM file with our certificate, followed by the intermediate ones.
        key: PEM file with the private key of our certificate.
        ca: PEM file with the trusted authorities; empty means those of the system.
        reload_s: least time between two checks of the files.

    Raises:
        StartupError: a file is missing or invalid, or certificate and key do not match.
    """

    def __init__(
        self, certificate: str, key: str, ca: str = "", reload_s: float = RELOAD_S
    ) -> None:
        if bool(certificate) != bool(key):
            raise StartupError("--tls-cert and --tls-key go together: give both or neither")
        self._paths = {"--tls-cert": certificate, "--tls-key": key, "--tls-ca": ca}
        self._reload_s = reload_s
        self._lock = threading.Lock()  # gRPC calls from its own threads
        self._stamp = self._read_stamp()
        self._current = self._read(1)
        self._checked_at = time.monotonic()

    @classmethod
    def from_options(cls, options: ListenOptions) -> Self | None:
        """The TLS files that the options name; None means plaintext."""
        ca = options.tls_ca if isinstance(options, ProcessOptions) else ""
        if not (options.tls_cert or options.tls_key or ca):
            return None
        return cls(options.tls_cert, options.tls_key, ca)

    @property
    def mutual(self) -> bool:
        """Whether --tls-ca names authorities: then both sides present certificates."""
        return bool(self._paths["--tls-ca"])

    def current(self) -> Certificates:
        """The certificates in use, after a check whether the files have changed."""
        with self._lock:
            now = time.monotonic()
            if now - self._checked_at >= self._reload_s:
                self._checked_at = now
                self._reload()
            return self._current

    def server_credentials(self, clients_need_certificate: bool) -> grpc.ServerCredentials:
        """Credentials of a server port. Each new connection uses the current certificate.

        Args:
            clients_need_certificate: whether clients must present a certificate.

        Raises:
            StartupError: there is no certificate.
        """
        in_use = self.current()

        def fetch() -> grpc.ServerCertificateConfiguration | None:
            nonlocal in_use
            latest = self.current()
            if latest.version == in_use.version:
                return None
            in_use = latest
            return _configuration(latest)

        return grpc.dynamic_ssl_server_credentials(
            _configuration(in_use),
            fetch,  # type: ignore[arg-type]  # None means: no change
            require_client_authentication=clients_need_certificate,
        )

    def channel_credentials(self) -> grpc.ChannelCredentials:
        """Credentials of a channel. The channel keeps the certificate that is current now."""
        held = self.current()
        return grpc.ssl_channel_credentials(held.ca, held.key, held.chain)

    def own_channel(self, address: str) -> grpc.aio.Channel:
        """Open a channel to the server that uses these files, from the machine that it runs on.

        It trusts this certificate alone, whatever name the address has.

        Args:
            address: host:port.

        Raises:
            StartupError: there is no certificate.
        """
        chain = self.current().chain
        if chain is None:
            raise _no_certificate()
        options: GrpcOptions = (*CHANNEL_OPTIONS, NO_PROXY)
        for name in Certificate.parse(chain).names[:1]:
            options = (*options, ("grpc.ssl_target_name_override", name))
        credentials = grpc.ssl_channel_credentials(chain)
        return grpc.aio.secure_channel(address, credentials, options=options)

    def _reload(self) -> None:
        try:
            stamp = self._read_stamp()
            if stamp == self._stamp:
                return
            self._current = self._read(self._current.version + 1)
            self._stamp = stamp
            _log.info("new TLS certificates are in use")
        except StartupError as error:
            _log.warning("the TLS files changed but are not valid yet, old ones stay: %s", error)

    def _read(self, version: int) -> Certificates:
        chain, key, ca = (self._bytes(option) for option in self._paths)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if chain is not None:
            try:
                context.load_cert_chain(self._paths["--tls-cert"], self._paths["--tls-key"])
            except (ssl.SSLError, ValueError) as error:
                raise StartupError(
                    f"--tls-cert {self._paths['--tls-cert']} and --tls-key "
                    f"{self._paths['--tls-key']} are not a PEM certificate and its key "
                    f"({_reason(error)})"
                ) from error
        if ca is not None:
            try:
                context.load_verify_locations(self._paths["--tls-ca"])
            except (ssl.SSLError, ValueError) as error:
                raise StartupError(
                    f"--tls-ca {self._paths['--tls-ca']} has no PEM certificate ({_reason(error)})"
                ) from error
        return Certificates(chain, key, ca, version)

    def _bytes(self, option: str) -> bytes | None:
        if not self._paths[option]:
            return None
        try:
            return Path(self._paths[option]).read_bytes()
        except OSError as error:
            raise StartupError(
                f"{option}: cannot read {self._paths[option]} ({error.strerror})"
            ) from error

    def _read_stamp(self) -> _Stamp:
        """A value that changes with the files. Kubernetes swaps a link to a whole new folder."""
        return tuple(map(_stamp, self._paths.values()))


def _stamp(path: str) -> tuple[int, int, int] | None:
    try:
        stat = Path(path).stat()
    except OSError:
        return None
    return (stat.st_ino, stat.st_mtime_ns, stat.st_size)


def _configuration(held: Certificates) -> grpc.ServerCertificateConfiguration:
    if held.chain is None or held.key is None:
        raise _no_certificate()
    return grpc.ssl_server_certificate_configuration([(held.key, held.chain)], held.ca)


def _no_certificate() -> StartupError:
    return StartupError("a server with TLS needs --tls-cert and --tls-key")


def _reason(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
