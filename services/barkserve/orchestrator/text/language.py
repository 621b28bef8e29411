"""Checks the form of language codes. Unknown languages are allowed."""

import re

from barkserve.errors import InvalidArgument

_CODE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{1,8}){0,4}")


def checked_language(code: str) -> str:
    """Return a language code if it is empty or has the form of BCP 47.

    Raises:
        InvalidArgument: the code has another form. The error names the field `language_code`.
    """
    if code and not _CODE.fullmatch(code):
        raise InvalidArgument("language_code", 'must be a BCP 47 code, for example "en" or "pt-BR"')
    return code
