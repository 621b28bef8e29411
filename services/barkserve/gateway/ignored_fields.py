"""Tells a caller which fields of a request have no effect."""

from collections.abc import Sequence

HEADER = "x-barkserve-ignored"


def ignored_header(names: Sequence[str]) -> dict[str, str]:
    """The header that names the fields; none without fields."""
    return {HEADER: ", ".join(names)} if names else {}
