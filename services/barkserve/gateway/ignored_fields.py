"""Tells a caller which fields of a request have no effect."""

from collections.abc import Sequence
from urllib.parse import quote

HEADER = "x-barkserve-ignored"

_MAX_NAMES = 20
_MAX_CHARACTERS = 64


def ignored_header(names: Sequence[str]) -> dict[str, str]:
    """The header that names the fields; none without fields.

    Names that a header cannot hold are percent-encoded. Long names are cut, and further ones are
    left out.
    """
    shown = [quote(name[:_MAX_CHARACTERS], errors="replace") for name in names[:_MAX_NAMES]]
    return {HEADER: ", ".join(shown)} if shown else {}
