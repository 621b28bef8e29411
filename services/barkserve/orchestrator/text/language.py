"""Language codes of requests, checked. Knows no language: of an unknown one nothing is wrong."""

import re

from barkserve.errors import InvalidArgument

_CODE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{1,8}){0,4}")


def checked_language(code: str) -> str:
    """A code of the form of BCP 47, or none; InvalidArgument naming `language_code` for others."""
    if code and not _CODE.fullmatch(code):
        raise InvalidArgument(
            "language_code", 'must be a BCP 47 code, "en" or "pt-BR" for instance'
        )
    return code
