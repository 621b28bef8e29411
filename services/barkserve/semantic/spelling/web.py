"""Web addresses, e-mail addresses, file names and IP addresses."""

import re

from barkserve.semantic.spelling.numerals import cardinal, digit_by_digit
from barkserve.semantic.spelling.rule import Rules, any_case, rule

_DOMAINS = (
    "com|org|net|edu|gov|io|ai|dev|app|info|biz|co|me|tv|uk|us|ca|de|fr|es|it|nl|eu|jp|cn|in|au|ch"
    "|at|be|se|no|xyz|tech|cloud|online|site"
)
_FILES = (
    "py|js|ts|json|txt|md|csv|html|css|yaml|yml|toml|exe|pdf|jpe?g|png|gif|svg|mp[34]|wav|zip|gz"
    "|tar|sh|cpp|go|rs|java|xml|docx?|xlsx?|pptx?|log|cfg|ini|sql|ipynb"
)
_SIGNS = {
    ".": "dot", "/": "slash", "-": "dash", "_": "underscore", "?": "question mark", "=": "equals",
    "&": "and", "#": "hash", "@": "at", ":": "colon", "+": "plus", "%": "percent", "~": "tilde",
}  # fmt: skip
_TOKEN = re.compile(r":\d{2,5}(?=/|$)|[a-zA-Z]+|\d+|[^a-zA-Z\d]")
_NO_VOWEL = re.compile(r"[b-df-hj-np-tv-xzB-DF-HJ-NP-TV-XZ]{3,5}")
_LABEL = r"[a-zA-Z0-9_-]{1,63}"
_PATH = r"(?:/[\w\-./?=&#%+~:@]*)?"

RULES: Rules = (
    any_case(r"\b(?:https?|ftp)://([\w\-./?=&#%+~:@]+)", lambda match: _address(match[1])),
    any_case(rf"\bwww\.{_LABEL}\.[\w\-./?=&#%+~:@]+", lambda match: _address(match[0])),
    any_case(
        rf"\b[\w.+\-]{{1,64}}@(?:{_LABEL}\.){{1,5}}[a-z]{{2,24}}\b",
        lambda match: _address(match[0]),
    ),
    any_case(
        rf"\b(?:{_LABEL}\.){{1,5}}(?:{_DOMAINS})\b(?!\.?\w){_PATH}",
        lambda match: _address(match[0]),
    ),
    any_case(rf"\b(?:{_LABEL}\.){{1,4}}(?:{_FILES})\b(?!\.?\w)", lambda match: _address(match[0])),
    rule(
        r"<?\b([a-z_]{2,40}(?:/[a-z_]{2,40})?\.(?:c|h|hpp))\b>?", lambda match: _address(match[1])
    ),
    rule(r"(?<!\w)@(\w{1,40})\b", lambda match: f"at {_address(match[1])}"),
    rule(
        r"(?<!\w)#(?=[0-9A-Fa-f]*\d)([0-9A-Fa-f]{6}|[0-9A-F]{3})\b(?<!#\d\d\d)(?<!#\d\d\d\d\d\d)",
        lambda match: f"hash {_characters(match[1])}",
    ),
    rule(
        r"(?<!\w)#(\d{1,4})((?!st\b|nd\b|rd\b|th\b)[a-zA-Z]{2,30})\b",
        lambda match: f"hashtag {match[1]} {match[2]}",
    ),
    rule(
        r"(?<![\w.])(\d{1,3}(?:\.\d{1,3}){3})(?::(\d{1,5}))?(?![\w.]*\d)",
        lambda match: _ip_address(match[1], match[2]),
    ),
    rule(
        r"(?<![\w:])[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){2,7}(?![\w:])",
        lambda match: _hexadecimal(match[0]),
    ),
    rule(r"\b0x([0-9a-fA-F]{1,16})\b", lambda match: f"zero x {_characters(match[1])}"),
    rule(r"\b0b([01]{1,64})\b", lambda match: f"zero b {digit_by_digit(match[1])}"),
)


def _address(written: str) -> str:
    stripped = written.rstrip(".,?:;!")
    end = written[len(stripped) :]
    stripped = stripped.rstrip("/")
    words = [_word(token) for token in _TOKEN.findall(stripped)]
    return " ".join(words) + end


def _word(token: str) -> str:
    if token.isdigit():
        return cardinal(token) if len(token) <= 4 else digit_by_digit(token)
    if token[0] == ":" and len(token) > 1:
        return f"port {cardinal(token[1:])}"
    return " ".join(token) if _NO_VOWEL.fullmatch(token) else _SIGNS.get(token, token)


def _ip_address(octets: str, port: str | None) -> str:
    words = " dot ".join(
        digit_by_digit(each) if len(each) == 3 else cardinal(each) for each in octets.split(".")
    )
    return words + (f" port {cardinal(port)}" if port else "")


def _hexadecimal(written: str) -> str:
    """Pairs of hexadecimal digits; a time of day, which has no letters, is not one."""
    if written.replace(":", "").isdigit() and written.count(":") < 3:
        return written
    return ", ".join(map(_characters, written.split(":")))


def _characters(written: str) -> str:
    return " ".join(digit_by_digit(sign) if sign.isdigit() else sign.upper() for sign in written)
