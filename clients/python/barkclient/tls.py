"""How a client knows its server and shows itself. Knows no calls."""

from dataclasses import dataclass
from pathlib import Path

import grpc

from barkclient.errors import InvalidRequest


@dataclass(frozen=True, kw_only=True)
class Tls:
    """PEM files; with none of them the system's authorities are trusted.

    Args:
        ca: the authorities that the server's certificate may be of.
        certificate, key: the client's own, where the server asks for one.
        server_name: what the server's certificate says, where that is not the host that is dialled.
    """

    ca: str | None = None
    certificate: str | None = None
    key: str | None = None
    server_name: str | None = None

    def credentials(self) -> grpc.ChannelCredentials:
        """Reads the files. Raises InvalidRequest for what is missing."""
        if (self.certificate is None) != (self.key is None):
            raise InvalidRequest("a certificate and its key go together: give both or neither")
        return grpc.ssl_channel_credentials(
            _read(self.ca), _read(self.key), _read(self.certificate)
        )

    def options(self) -> list[tuple[str, str]]:
        """Channel options beside the credentials."""
        return [("grpc.ssl_target_name_override", self.server_name)] if self.server_name else []


def _read(path: str | None) -> bytes | None:
    if path is None:
        return None
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise InvalidRequest(f"{path} cannot be read ({error.strerror})") from error
    if b"-----BEGIN " not in content:
        raise InvalidRequest(f"{path} is no PEM file")
    return content
