"""TLS settings of a client."""

from dataclasses import dataclass
from pathlib import Path

import grpc

from barkclient.errors import InvalidRequest


@dataclass(frozen=True, kw_only=True)
class Tls:
    """Paths of PEM files. Without `ca`, the system's certificate authorities are trusted.

    Attributes:
        ca: the certificate authorities to trust.
        certificate: the client's own certificate, for servers that require one.
        key: the private key of `certificate`.
        server_name: the name in the server's certificate, if it is not the host in the target.
    """

    ca: str | None = None
    certificate: str | None = None
    key: str | None = None
    server_name: str | None = None

    def credentials(self) -> grpc.ChannelCredentials:
        """Read the files.

        Raises:
            InvalidRequest: a file is missing or not in PEM format.
        """
        if (self.certificate is None) != (self.key is None):
            raise InvalidRequest("a certificate and its key go together: give both or neither")
        return grpc.ssl_channel_credentials(
            _read(self.ca), _read(self.key), _read(self.certificate)
        )

    def options(self) -> list[tuple[str, str]]:
        """Channel options in addition to the credentials."""
        return [("grpc.ssl_target_name_override", self.server_name)] if self.server_name else []


def _read(path: str | None) -> bytes | None:
    if path is None:
        return None
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise InvalidRequest(f"cannot read {path}: {error.strerror}") from error
    if b"-----BEGIN " not in content:
        raise InvalidRequest(f"{path} is not a PEM file")
    return content
