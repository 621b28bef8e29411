"""Reads an X.509 certificate: its names and its validity."""

import datetime as dt
from dataclasses import dataclass
from typing import Self

from cryptography import x509


@dataclass(frozen=True)
class Certificate:
    """What a certificate says about its owner.

    Attributes:
        names: its subject alternative names: DNS names, IP addresses and URIs, in their order.
        not_before: the start of its validity.
        not_after: the end of its validity.
    """

    names: tuple[str, ...]
    not_before: dt.datetime
    not_after: dt.datetime

    @classmethod
    def parse(cls, chain: bytes) -> Self:
        """Parse the first certificate of a PEM chain, which OpenSSL has accepted."""
        leaf = x509.load_pem_x509_certificate(chain)
        return cls(_names(leaf), leaf.not_valid_before_utc, leaf.not_valid_after_utc)


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        kind = x509.SubjectAlternativeName
        names = certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return ()
    readable = (x509.DNSName, x509.IPAddress, x509.UniformResourceIdentifier)
    return tuple(str(name.value) for name in names if isinstance(name, readable))
