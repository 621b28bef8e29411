"""Reads web and e-mail addresses as people of a language do."""

import re
from collections.abc import Mapping

_SIGN = r"[!#-)+-;=?-Z\\^_a-{}~]"  # of ASCII, without " * < > [ ] ` |
WEB = re.compile(rf"(?:https?://|www\.){_SIGN}+", re.IGNORECASE)
EMAIL_REST = re.compile(r"(?:[._+-]+[^\W_]+){0,8}@(?:[\w-]{1,63}\.){1,5}[^\W\d_]{2,24}", re.ASCII)
"""An e-mail address after its first word."""
CANDIDATE = re.compile(rf"{_SIGN}*")
"""What may be an address, or the beginning of one."""
WEB_STARTS = ("https://", "http://", "www.")

_SCHEME = re.compile(r"(?:https?://|mailto:)", re.IGNORECASE)
_PART = re.compile(r"[^\W_]+|[\W_]")
_NAMES: Mapping[str, tuple[str, str, str, str, str]] = {
    "en": ("dot", "slash", "at", "dash", "underscore"),
    "de": ("Punkt", "Schrägstrich", "at", "Bindestrich", "Unterstrich"),
    "es": ("punto", "barra", "arroba", "guion", "guion bajo"),
    "fr": ("point", "barre oblique", "arobase", "tiret", "tiret bas"),
    "hi": ("डॉट", "स्लैश", "ऐट", "डैश", "अंडरस्कोर"),
    "it": ("punto", "barra", "chiocciola", "trattino", "trattino basso"),
    "ja": ("ドット", "スラッシュ", "アットマーク", "ハイフン", "アンダーバー"),
    "ko": ("점", "슬래시", "골뱅이", "하이픈", "밑줄"),
    "pl": ("kropka", "ukośnik", "małpa", "myślnik", "podkreślnik"),
    "pt": ("ponto", "barra", "arroba", "hífen", "sublinhado"),
    "ru": ("точка", "слэш", "собака", "дефис", "подчёркивание"),
    "tr": ("nokta", "eğik çizgi", "et", "tire", "alt çizgi"),
    "zh": ("点", "斜杠", "艾特", "横杠", "下划线"),
}
"""The names of the signs `.`, `/`, `@`, `-` and `_`."""


def without_end(address: str) -> str:
    """Return an address without the punctuation of the sentence that follows it."""
    stripped = address.rstrip(".,:;!?'\"_~")
    while stripped.endswith(")") and stripped.count(")") > stripped.count("("):
        stripped = stripped[:-1].rstrip(".,:;!?'\"_~")
    return stripped


def spoken_address(address: str, language: str) -> str:
    """Return the words for an address: "https://a.com/b" gives "a dot com slash b".

    Args:
        address: with or without a scheme.
        language: BCP 47 code; an unknown one gives the names of English.
    """
    names = _NAMES.get(language.split("-")[0].lower(), _NAMES["en"])
    signs = dict(zip("./@-_", names, strict=True))
    bare = _SCHEME.sub("", address, count=1).rstrip("/")
    words = (signs.get(part, part) for part in _PART.findall(bare))
    return " ".join("w w w" if word.lower() == "www" else word for word in words)
