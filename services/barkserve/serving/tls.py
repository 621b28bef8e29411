"""TLS certificates: read from files, checked, and read again when the files change.

A new certificate is used if it matches its key and is valid today. Until then the old one stays
in use, and the log says why.
"""

import asyncio
import datetime as dt
import logging
import ssl
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import grpc

from barkserve.config.process import ListenOptions, ProcessOptions
from barkserve.errors import StartupError
from barkserve.serving.certificate import Certificate
from barkserve.serving.grpc_options import CHANNEL_OPTIONS, NO_PROXY, GrpcOptions

_log = logging.getLogger(__name__)

RELOAD_S = 5.0
"""Least time between two checks of the files."""

_REMIND_S = 600.0
"""Time after which the log repeats a warning that still applies."""

_LAST_PART = 0.1
"""Share of a certificate's lifetime at whose end the log warns that it expires."""

_Stamp = tuple[tuple[int, int, int] | None, ...]


@dataclass(frozen=True)
class Certificates:
    """The last valid contents of the files.

    Attributes:
        own: our certificate; None without one.
        chain: our certificate and the intermediate ones, PEM; None without one.
        key: the private key of our certificate, PEM; None without one.
        ca: the trusted authorities, PEM; None means those of the system.
        version: 1, plus the number of changes.
    """

    own: Certificate | None
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
        now: the time of day, with a time zone.

    Raises:
        StartupError: a file is missing or invalid, certificate and key do not match, or the
            certificate has expired or is not valid yet.
    """

    def __init__(
        self,
        certificate: str,
        key: str,
        ca: str = "",
        reload_s: float = RELOAD_S,
        now: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
    ) -> None:
        if bool(certificate) != bool(key):
            raise StartupError("--tls-cert and --tls-key go together: give both or neither")
        self._paths = {"--tls-cert": certificate, "--tls-key": key, "--tls-ca": ca}
        self._reload_s = reload_s
        self._now = now
        self._warning = ""
        self._warned_at = 0.0
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

    @asynccontextmanager
    async def following(self) -> AsyncIterator[None]:
        """Check the files regularly inside the block, also while no connection is made."""
        task = asyncio.create_task(self._follow())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _follow(self) -> None:
        while True:
            await asyncio.to_thread(self.current)
            await asyncio.sleep(self._reload_s)

    def expiry_timestamp(self) -> float:
        """When the certificate in use expires, in seconds since 1970; infinity without one."""
        own = self.current().own
        return own.not_after.timestamp() if own else float("inf")

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
        held = self.current()
        if held.own is None:
            raise _no_certificate()
        options: GrpcOptions = (*CHANNEL_OPTIONS, NO_PROXY)
        for name in held.own.names[:1]:
            options = (*options, ("grpc.ssl_target_name_override", name))
        credentials = grpc.ssl_channel_credentials(held.chain)
        return grpc.aio.secure_channel(address, credentials, options=options)

    def _reload(self) -> None:
        stamp = self._read_stamp()
        if stamp != self._stamp:
            try:
                self._current = self._read(self._current.version + 1)
            except StartupError as error:
                self._warn(f"the old TLS certificate stays in use, because {error}")
                return
            self._stamp = stamp
            _log.info("new TLS certificates are in use")
        self._warn(self._expiry_warning())

    def _expiry_warning(self) -> str:
        """What the log says about the validity of the certificate in use; empty if all is well."""
        own, now = self._current.own, self._now()
        if own is None or now < own.not_after - _LAST_PART * (own.not_after - own.not_before):
            return ""
        state = "expired" if now > own.not_after else "expires"
        return f"the TLS certificate in use {state} at {own.not_after}: renew --tls-cert"

    def _warn(self, warning: str) -> None:
        """Log a warning when it is new, and again from time to time."""
        now = time.monotonic()
        if warning and (warning != self._warning or now - self._warned_at >= _REMIND_S):
            _log.warning("%s", warning)
            self._warned_at = now
        self._warning = warning

    def _read(self, version: int) -> Certificates:
        chain, key, ca = (self._bytes(option) for option in self._paths)
        own = None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if chain is not None:
            try:
                context.load_cert_chain(self._paths["--tls-cert"], self._paths["--tls-key"])
                own = Certificate.parse(chain)
            except (ssl.SSLError, ValueError) as error:
                raise StartupError(
                    f"--tls-cert {self._paths['--tls-cert']} and --tls-key "
                    f"{self._paths['--tls-key']} are not a PEM certificate and its key "
                    f"({_reason(error)})"
                ) from error
            self._check_validity(own)
        if ca is not None:
            try:
                context.load_verify_locations(self._paths["--tls-ca"])
            except (ssl.SSLError, ValueError) as error:
                raise StartupError(
                    f"--tls-ca {self._paths['--tls-ca']} has no PEM certificate ({_reason(error)})"
                ) from error
        return Certificates(own, chain, key, ca, version)

    def _check_validity(self, own: Certificate) -> None:
        """Check that a certificate is valid now. Raises StartupError for any other."""
        if own.not_before <= self._now() <= own.not_after:
            return
        problem = (
            f"expired at {own.not_after}: renew it"
            if self._now() > own.not_after
            else f"is not valid before {own.not_before}: check the clock of this machine"
        )
        raise StartupError(f"--tls-cert {self._paths['--tls-cert']} {problem}")

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
