"""What the options of all commands share: how a field names its flags, and the common fields."""

from dataclasses import dataclass, field
from typing import Any

from barkclient._internal.channel import DEFAULT_TARGET
from barkclient.tls import Tls

SERVER_VARIABLE = "BARKCLIENT_SERVER"

_LONGEST_S = 1e8  # three years; gRPC would take much more for no time at all


def option(help_text: str, *flags: str, **keywords: Any) -> dict[str, Any]:
    """A field's metadata; without flags it is a positional argument."""
    return {"flags": flags, "help": help_text, **keywords}


def seconds(text: str) -> float:
    """A timeout; argparse shows this function's name when it raises."""
    value = float(text)
    if not 0 < value <= _LONGEST_S:
        raise ValueError
    return value


def number(text: str) -> int:
    """A whole number that fits the request: 32 bits."""
    return _whole(text, 31)


def whole_seed(text: str) -> int:
    """One of 64 bits; the server says which of them are seeds."""
    return _whole(text, 63)


def _whole(text: str, bits: int) -> int:
    value = int(text)
    if not -(1 << bits) <= value < 1 << bits:
        raise ValueError
    return value


@dataclass(frozen=True, kw_only=True)
class ServerArguments:
    """Where to ask."""

    server: str = field(
        default=DEFAULT_TARGET,
        metadata=option(
            f"the orchestrator (environment: {SERVER_VARIABLE})", "--server", metavar="HOST:PORT"
        ),
    )
    tls: bool = field(
        default=False,
        metadata=option(
            "speak TLS and trust the system's authorities", "--tls", action="store_true"
        ),
    )
    tls_ca: str | None = field(
        default=None,
        metadata=option("speak TLS and trust these authorities", "--tls-ca", metavar="FILE.pem"),
    )
    tls_cert: str | None = field(
        default=None,
        metadata=option("certificate to show to the server", "--tls-cert", metavar="FILE.pem"),
    )
    tls_key: str | None = field(
        default=None, metadata=option("its key", "--tls-key", metavar="FILE.pem")
    )
    tls_server_name: str | None = field(
        default=None,
        metadata=option(
            "name in the server's certificate, if it is not the host",
            "--tls-server-name",
            metavar="NAME",
        ),
    )

    def secured(self) -> Tls | None:
        """How to speak TLS, None for plaintext."""
        files = (self.tls_ca, self.tls_cert, self.tls_key)
        if not self.tls and files == (None, None, None):
            return None
        return Tls(
            ca=self.tls_ca,
            certificate=self.tls_cert,
            key=self.tls_key,
            server_name=self.tls_server_name,
        )


@dataclass(frozen=True, kw_only=True)
class CommonArguments(ServerArguments):
    """What every command takes that asks once."""

    timeout: float | None = field(
        default=None,
        metadata=option(
            "give up after so many seconds", "--timeout", type=seconds, metavar="SECONDS"
        ),
    )
    json: bool = field(
        default=False, metadata=option("print one line of JSON", "--json", action="store_true")
    )
