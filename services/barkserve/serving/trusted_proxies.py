"""Whom a proxy or a gateway makes a call for: the address in its X-Forwarded-For."""

import ipaddress
import re
from collections.abc import Iterable
from typing import Self

from barkserve.errors import StartupError

HEADER = "x-forwarded-for"
"""The name of the HTTP header, and of the metadata of an RPC."""

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_WITH_PORT = re.compile(r"\[([^\]]+)\](?::\d+)?|([^:]+):\d+")


class TrustedProxies:
    """The proxies that are believed.

    Args:
        networks: their addresses.
    """

    def __init__(self, networks: Iterable[_Network] = ()) -> None:
        self._networks = tuple(networks)

    @classmethod
    def from_option(cls, text: str) -> Self:
        """Read --trusted-proxies: addresses and networks, separated by commas.

        Raises:
            StartupError: a word is neither.
        """
        words = [word.strip() for word in text.split(",") if word.strip()]
        try:
            return cls([ipaddress.ip_network(word) for word in words])
        except ValueError as error:
            raise StartupError(
                f"--trusted-proxies: {error}: give addresses and networks, such as "
                "10.0.0.7,192.168.0.0/16"
            ) from None

    @property
    def networks(self) -> list[str]:
        """The networks as text."""
        return [str(network) for network in self._networks]

    def __contains__(self, address: str) -> bool:
        """Whether an IP address is that of a trusted proxy."""
        parsed = _parse(address)
        return parsed is not None and any(parsed in network for network in self._networks)

    def client_of(self, forwarded: Iterable[str]) -> str | None:
        """Find the client in the values of X-Forwarded-For.

        Each proxy adds the address that it sees at the end. The client is the last address that
        is not a trusted proxy: those before it may be invented.

        Args:
            forwarded: the values, in their order; each may list several addresses.

        Returns:
            The client's address; None if there is none, or if it is not an IP address.
        """
        words = [word.strip() for value in forwarded for word in value.split(",") if word.strip()]
        others = [word for word in words if word not in self]
        found = _parse((others or words[:1] or [""])[-1])
        return None if found is None else str(found)


def _parse(text: str) -> _Address | None:
    """The address in a text such as "10.0.0.7", "10.0.0.7:443" or "[fd00::7]:443"."""
    if match := _WITH_PORT.fullmatch(text):
        text = match[1] or match[2]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
