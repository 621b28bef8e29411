"""Certificates: read, checked, and read again when they have been replaced. Knows no service.

A certificate that is being replaced is not noticed before it fits its key: until then the old one
is shown.
"""

import logging
import ssl
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import grpc

from barkserve.errors import StartupError

_log = logging.getLogger(__name__)

RELOAD_S = 5.0
"""How often the files are looked at, at most."""

_Stamp = tuple[tuple[int, int, int] | None, ...]


@dataclass(frozen=True)
class Certificates:
    """What the files held when they were last whole.

    Attributes:
        chain, key: ours, PEM; None without.
        ca: who is trusted, PEM; None: the system's authorities.
        version: counts the changes.
    """

    chain: bytes | None
    key: bytes | None
    ca: bytes | None
    version: int


class TlsFiles:
    """The three files of a service.

    Args:
        certificate: PEM, ours first, intermediate ones behind it.
        key: PEM, of the first.
        ca: PEM, the authorities that we trust; empty: the system's.
        reload_s: how often the files are looked at, at most.

    Raises:
        StartupError: a file is missing or broken, or they do not fit together.
    """

    def __init__(
        self, certificate: str, key: str, ca: str = "", reload_s: float = RELOAD_S
    ) -> None:
        if bool(certificate) != bool(key):
            raise StartupError("--tls-cert and --tls-key go together: give both or neither")
        self._paths = {"--tls-cert": certificate, "--tls-key": key, "--tls-ca": ca}
        self._reload_s = reload_s
        self._lock = threading.Lock()  # gRPC asks from threads of its own
        self._stamp = self._read_stamp()
        self._current = self._read(1)
        self._looked = time.monotonic()

    @property
    def mutual(self) -> bool:
        """Whether an authority was named: then both sides show certificates."""
        return bool(self._paths["--tls-ca"])

    def current(self) -> Certificates:
        """What is shown now; looks whether the files have changed."""
        with self._lock:
            now = time.monotonic()
            if now - self._looked >= self._reload_s:
                self._looked = now
                self._look_again()
            return self._current

    def server_credentials(self, clients_need_certificate: bool) -> grpc.ServerCredentials:
        """For a server's port; each new connection is shown what is current."""
        shown = self.current()

        def fetch() -> grpc.ServerCertificateConfiguration | None:
            nonlocal shown
            latest = self.current()
            if latest.version == shown.version:
                return None
            shown = latest
            return _configuration(latest)

        return grpc.dynamic_ssl_server_credentials(
            _configuration(shown),
            fetch,  # type: ignore[arg-type]  # None means: no change
            require_client_authentication=clients_need_certificate,
        )

    def channel_credentials(self) -> grpc.ChannelCredentials:
        """For a client's channel; it keeps what is current now."""
        held = self.current()
        return grpc.ssl_channel_credentials(held.ca, held.key, held.chain)

    def _look_again(self) -> None:
        try:
            stamp = self._read_stamp()
            if stamp == self._stamp:
                return
            self._current = self._read(self._current.version + 1)
            self._stamp = stamp
            _log.info("certificates have been replaced and are in use")
        except StartupError as error:
            _log.warning("certificates have changed and are not whole yet: %s", error)

    def _read(self, version: int) -> Certificates:
        chain, key, ca = (self._bytes(option) for option in self._paths)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if chain is not None:
            try:
                context.load_cert_chain(self._paths["--tls-cert"], self._paths["--tls-key"])
            except (ssl.SSLError, ValueError) as error:
                raise StartupError(
                    f"--tls-cert {self._paths['--tls-cert']} and --tls-key "
                    f"{self._paths['--tls-key']} are no PEM certificate and its key ({_why(error)})"
                ) from error
        if ca is not None:
            try:
                context.load_verify_locations(self._paths["--tls-ca"])
            except (ssl.SSLError, ValueError) as error:
                raise StartupError(
                    f"--tls-ca {self._paths['--tls-ca']} holds no PEM certificate ({_why(error)})"
                ) from error
        return Certificates(chain, key, ca, version)

    def _bytes(self, option: str) -> bytes | None:
        if not self._paths[option]:
            return None
        try:
            return Path(self._paths[option]).read_bytes()
        except OSError as error:
            raise StartupError(
                f"{option}: {self._paths[option]} cannot be read ({error.strerror})"
            ) from error

    def _read_stamp(self) -> _Stamp:
        """Changes when a file does; Kubernetes swaps a link to a whole new folder."""
        return tuple(map(_stamp, self._paths.values()))


def _stamp(path: str) -> tuple[int, int, int] | None:
    try:
        stat = Path(path).stat()
    except OSError:
        return None
    return (stat.st_ino, stat.st_mtime_ns, stat.st_size)


def _configuration(held: Certificates) -> grpc.ServerCertificateConfiguration:
    if held.chain is None or held.key is None:
        raise StartupError("a server with TLS needs --tls-cert and --tls-key")
    return grpc.ssl_server_certificate_configuration([(held.key, held.chain)], held.ca)


def _why(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
