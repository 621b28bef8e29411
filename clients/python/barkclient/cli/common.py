"""Options that several commands share, and the helper that declares an option."""

import argparse
from argparse import ArgumentTypeError
from dataclasses import dataclass, field
from typing import Any, get_args

from barkclient._internal.channel import DEFAULT_TARGET
from barkclient._internal.connection import Connection
from barkclient.http_proxy import ProxyUse
from barkclient.tls import Tls

SERVER_VARIABLE = "BARKCLIENT_SERVER"
TOKEN_VARIABLE = "BARKCLIENT_TOKEN"

_MAX_TIMEOUT_S = 1e8  # three years; gRPC treats much larger values as 0


def option(help_text: str, *flags: str, group: str = "", **keywords: Any) -> dict[str, Any]:
    """Build the metadata of a dataclass field that is an option.

    Args:
        help_text: shown by `--help`.
        flags: for example "-o", "--output"; none: a positional argument.
        group: heading under which `--help` lists the option; empty: the general options.
        keywords: passed to `ArgumentParser.add_argument`.
    """
    return {"flags": flags, "help": help_text, "group": group, **keywords}


class JoinWords(argparse.Action):
    """Joins words that were not quoted into one text."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        """Store the text."""
        setattr(namespace, self.dest, " ".join(values))


def seconds(text: str) -> float:
    """Parse a timeout in seconds."""
    value = decimal(text)
    if not 0 < value <= _MAX_TIMEOUT_S:
        raise ArgumentTypeError(f"{text} is not a time above 0 and up to {_MAX_TIMEOUT_S:g} s")
    return value


def decimal(text: str) -> float:
    """Parse a number."""
    try:
        return float(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is not a number") from None


def number(text: str) -> int:
    """Parse a whole number of 32 bits."""
    return _integer(text, -(1 << 31), (1 << 31) - 1)


def whole_seed(text: str) -> int:
    """Parse a seed."""
    return _integer(text, 0, (1 << 63) - 1)


def _integer(text: str, least: int, most: int) -> int:
    try:
        value = int(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is not a whole number") from None
    if not least <= value <= most:
        raise ArgumentTypeError(f"{value} is not between {least} and {most}")
    return value


@dataclass(frozen=True, kw_only=True)
class ServerArguments:
    """The server and how to connect to it."""

    server: str = field(
        default=DEFAULT_TARGET,
        metadata=option(
            "address of the orchestrator"
            f" (environment: {SERVER_VARIABLE}; default: {DEFAULT_TARGET})",
            "--server",
            metavar="HOST:PORT",
            group="connection",
        ),
    )
    tls: bool = field(
        default=False,
        metadata=option(
            "use TLS and trust the system's certificate authorities",
            "--tls",
            action="store_true",
            group="connection",
        ),
    )
    tls_ca: str | None = field(
        default=None,
        metadata=option(
            "use TLS and trust these certificate authorities",
            "--tls-ca",
            metavar="FILE.pem",
            group="connection",
        ),
    )
    tls_cert: str | None = field(
        default=None,
        metadata=option(
            "the client's own certificate",
            "--tls-cert",
            metavar="FILE.pem",
            group="connection",
        ),
    )
    tls_key: str | None = field(
        default=None,
        metadata=option(
            "private key of --tls-cert",
            "--tls-key",
            metavar="FILE.pem",
            group="connection",
        ),
    )
    tls_server_name: str | None = field(
        default=None,
        metadata=option(
            "name in the server's certificate, if it is not the host",
            "--tls-server-name",
            metavar="NAME",
            group="connection",
        ),
    )

    token: str | None = field(
        default=None,
        repr=False,
        metadata=option(
            "token for servers that authenticate their callers"
            f" (environment: {TOKEN_VARIABLE}, which other users of the machine cannot see)",
            "--token",
            metavar="TOKEN",
            group="connection",
        ),
    )
    insecure: bool = field(
        default=False,
        metadata=option(
            "send the token to another machine without TLS",
            "--insecure",
            action="store_true",
            group="connection",
        ),
    )

    grpc_proxy: ProxyUse = field(
        default="environment",
        metadata=option(
            "whether calls to other machines use the HTTP proxy that the environment names in"
            " grpc_proxy, https_proxy or http_proxy, except for hosts in no_proxy",
            "--grpc-proxy",
            choices=get_args(ProxyUse),
            group="connection",
        ),
    )

    def connection(self) -> Connection:
        """Return the arguments of a client, apart from the address and the timeout."""
        return {
            "tls": self.tls_settings(),
            "token": self.token,
            "insecure": self.insecure,
            "grpc_proxy": self.grpc_proxy,
        }

    def tls_settings(self) -> Tls | None:
        """Return the TLS settings, None for plaintext."""
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
    """Options of every command that makes a single call."""

    timeout: float | None = field(
        default=None,
        metadata=option(
            "give up after this time (default: no limit)",
            "--timeout",
            type=seconds,
            metavar="SECONDS",
            group="connection",
        ),
    )
    json: bool = field(
        default=False,
        metadata=option("print the result as one line of JSON", "--json", action="store_true"),
    )
