"""Signs outside ASCII, and those that stay when everything else is read."""

import re
import unicodedata

from anyascii import anyascii

from barkserve.semantic.spelling.rule import Rules, any_case, one_of, rule

_FRACTIONS = {
    "½": "1/2", "⅓": "1/3", "⅔": "2/3", "¼": "1/4", "¾": "3/4", "⅕": "1/5", "⅖": "2/5",
    "⅗": "3/5", "⅘": "4/5", "⅙": "1/6", "⅛": "1/8", "⅜": "3/8", "⅝": "5/8", "⅞": "7/8",
}  # fmt: skip
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
_WORDS = {
    "\u00d7": " times ", "·": " times ", "÷": " divided by ", "±": " plus or minus ",
    "≈": " approximately equals ", "≠": " does not equal ", "≤": " is less than or equal to ",
    "≥": " is greater than or equal to ", "√": " the square root of ", "∞": " infinity ",
    "§": " section ", "¶": " paragraph ", "©": " copyright ", "®": "", "™": "", "→": " to ",
    "⇒": " to ", "↔": " to and from ", "←": " from ", "‰": " per mille", "№": "number ",
    "∑": " sum of ", "∏": " product of ", "∫": " integral of ", "∈": " in ", "∉": " not in ",
    "∂": " partial ", "∆": " delta ", "∇": " gradient of ", "∧": " and ", "\u2228": " or ",
    "¬": " not ", "∀": " for all ", "∃": " there exists ", "\u222a": " union ",
    "∩": " intersection ",
    "⊂": " subset of ", "⊆": " subset of ", "∝": " proportional to ", "∙": " times ",
    "⋅": " times ", "∓": " minus or plus ", "≡": " is equivalent to ", "≪": " much less than ",
    "≫": " much greater than ", "¿": "", "¡": "", "¢": " cents",
    "℃": "°C", "℉": "°F",
}  # fmt: skip
_HASHTAG_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
OMITTED = frozenset(sign for sign, word in _WORDS.items() if not word)
"""Signs that are not read aloud."""
_GREEK = {
    "\u03b1": "alpha", "β": "beta", "\u03b3": "gamma", "δ": "delta", "ε": "epsilon", "θ": "theta",
    "λ": "lambda", "\u03c3": "sigma", "τ": "tau", "φ": "phi", "χ": "chi", "ψ": "psi", "ω": "omega",
    "Θ": "theta", "Λ": "lambda", "Φ": "phi", "Ψ": "psi", "π": "pi", "Δ": "delta", "Σ": "sum",
    "\u03bc": "mu", "Ω": "omega",
}  # fmt: skip
_FUNCTIONS = {
    "sin": "sine", "cos": "cosine", "tan": "tangent", "log": "log", "ln": "natural log",
    "exp": "the exponential", "sqrt": "the square root",
}  # fmt: skip
_ENTITIES = {
    "&amp;": "&", "&lt;": "<", "&gt;": ">", "&quot;": '"', "&nbsp;": " ", "&#39;": "'",
    "&apos;": "'",
}  # fmt: skip
_ASCII = {
    "&&": " and ", "&": " and ", "@": " at ", "%": " percent", "+": " plus ",
    "!=": " does not equal ", "!==": " does not equal ", "<=": " is less than or equal to ",
    ">=": " is greater than or equal to ", "===": " equals ", "==": " equals ", "=": " equals ",
    "+=": " plus equals ", "-=": " minus equals ", "<<": " ", ">>": " ",
    "->": " to ", "=>": " to ", "/": " slash ", "**": " to the power of ", "*": " times ",
    "_": " ", "<": " less than ", ">": " greater than ", "\\": " backslash ", "#": " hash ",
    "~": " about ", "^": " to the power of ", "|": " ",
}  # fmt: skip

TYPOGRAPHY: Rules = (
    rule(r"(?<=\d)(?:-|\s?[\u2013\u2014]\s?)[-\u2212](?=\d)", " to -"),
    rule(r"(?<=\d)\s?[~\u301c\uff5e]\s?(?=\d)|(?<=\d)\u2014(?=\d)", "-"),
    rule("\\s{0,3}\u2014\\s{0,3}", ", "),  # em dash
    rule("[\u2013\u2212]", "-"),  # en dash and minus sign
    rule("[\u2018\u2019\u00b4\u02bc]", "'"),
    rule("[\u201c\u201d\u201e\u00ab\u00bb\u2039\u203a]", '"'),
    rule("[\u2044\u2215]", "/"),
    rule(  # thousands apart by spaces, apostrophes or underscores
        r"(?<![\w.,'])\d{1,3}(?:(?:[\u00a0\u202f\u2009]\d{3})++|(?:'\d{3})++|(?:_\d{3})++)(?![\w'])"
        r"|(?<![\w.,'+])(?<!\d )(?:[1-9]\d?(?: \d{3}){2,4}|[1-9]\d\d?(?: 000)++)(?!\w| ?\d)",
        lambda match: re.sub(r"\D", ",", match[0]),
    ),
    rule(  # 1.234,56 as on the European continent
        r"(?<![\w.,])(\d{1,3}(?:\.\d{3})++),(\d{2})(?![\w.,]*\d)",
        lambda match: f"{match[1].replace('.', '')}.{match[2]}",
    ),
    rule(r"(?<=\d)(\s?)\u03bc(?=[smglLAVWF]\b)", lambda match: f"{match[1]}\u00b5"),
)

BEFORE_ASCII: Rules = (
    rule(one_of(_ENTITIES), lambda match: _ENTITIES[match[0]]),
    rule(rf"(\d?)({'|'.join(_FRACTIONS)})", lambda match: f"{match[1]} {_FRACTIONS[match[2]]}"),
    rule(r"(?<![/\d])(\d{1,2}/\d{1,2})\s?-\s?(?=\d)", lambda match: f"{match[1]} to "),
    rule("[⁻]?[⁰¹²³⁴⁵⁶⁷⁸⁹]+", lambda match: "^" + match[0].translate(_SUPERSCRIPTS)),
    rule(r"(?<=\d)%\s?-\s?(?=\d)", " percent to "),
    rule(
        "[\u2160-\u216b\u2170-\u217b]",  # one-character Roman numerals
        lambda match: f"{unicodedata.numeric(match[0]):.0f}",
    ),
    rule("[\u3380-\u33df]", lambda match: unicodedata.normalize("NFKC", match[0])),  # units
    rule(r"(?<=\d)[\u00ba\u00aa]", "th"),
    rule(r"\b[Nn][°\u00ba]\s?(?=\d)", "number "),
    rule(
        r"(\d(?:\.\d)?) ?★(?! ?★)( [a-z])?",
        lambda match: f"{match[1]} star{match[2] or 's'}",
    ),
    rule(r"★{1,5}(?=☆|\s|$)☆{0,4}", lambda match: f" {match[0].count('★')} stars "),
    rule(r"(?<!\d)(?<!\d )\u00b5", "micro"),
    rule(one_of(_WORDS), lambda match: _WORDS[match[0]]),
    rule(  # a letter alone, not Greek words
        rf"(?<![\u0370-\u03ff])({'|'.join(_GREEK)})(?![\u0370-\u03ff])",
        lambda match: f" {_GREEK[match[1]]} ",
    ),
    rule(r"(?<=[a-z]) --? (?=[a-zA-Z])", ", "),
)
"""What anyascii would replace by signs or letters that are read in another way."""

REMAINING: Rules = (
    rule(r"\b([Aa])-([Zz])\b", lambda match: f"{match[1]} to {match[2]}"),
    rule(r"\b([A-Z])/([A-Z])\b", lambda match: f"{match[1]} {match[2]}"),
    rule(r"#(?=(?:include|define|if|ifdef|ifndef|endif|pragma|undef)\b)", "hash "),
    rule(
        rf"\b({'|'.join(_FUNCTIONS)})\(([\w+\-*/^ ]{{1,20}})\)",
        lambda match: f"{_FUNCTIONS[match[1]]} of {match[2]}",
    ),
    any_case(r"\b(select) \*", lambda match: f"{match[1]} star"),
    rule(r"~(?=/)", "tilde "),
    rule(r"\|\|", " or "),
    rule(r"(?<!\S)!(?=[a-z])", "not "),
    rule(r"\b([A-G])#", lambda match: f"{match[1]} sharp"),
    rule(r"\bC\+\+", "C plus plus"),
    rule(
        r"#((?:[A-Z]?[a-z]{1,30}|[A-Z]{1,5}(?![a-z])|\d{1,4}){2,8})\b",
        lambda match: "hashtag " + " ".join(_HASHTAG_WORD.findall(match[1])),
    ),
    rule(r"#(?=[a-zA-Z])", "hashtag "),
    rule(r"\b([fghFGP])\(([a-zA-Z])\)", lambda match: f"{match[1]} of {match[2]}"),
    rule(r"(?<![\w.])\.(?=[a-z]{2}|NET\b)", "dot "),
    rule(r"(?<!\S)--(?=[a-z])", "dash dash "),
    rule(r"(?<=[=(])\s{0,3}-(?=[a-z])", " minus "),
    rule(r"(?<!\S)-(?=[a-z]{1,4}\b)", "dash "),
    any_case(r"\b(\w{1,60})\.(?=[a-z]\w{0,60}\()", lambda match: f"{match[1]} dot "),
    rule(r"(?<=[a-zA-Z])\*\*(?=\w)", " to the power of "),
    rule(r"(?<=\w)/(?=\w)|(?<=\w) / (?=\w)", lambda match: " slash "),
    rule(one_of(_ASCII), lambda match: _ASCII[match[0]]),
)
"""What stands in ASCII when numbers, units and addresses are read."""

_EMOJI_NAME = re.compile(r":[a-z0-9_\-]+:")  # what anyascii makes of an emoji
_PUNCTUATION = frozenset(".,?!'\";:()-/")


def in_ascii(sign: str) -> str:
    """Return the reading of one character in ASCII; space if it has none.

    anyascii draws symbols with letters that look like them, such as "v" for a check mark.
    """
    compatible = unicodedata.normalize("NFKC", sign)
    if compatible.isascii():
        return compatible
    ascii_text = anyascii(sign)
    category = unicodedata.category(sign)
    drawn = category in ("So", "Sm", "Sk") or _EMOJI_NAME.fullmatch(ascii_text)
    if drawn or (category[0] == "P" and not _PUNCTUATION.issuperset(ascii_text)):
        return " "
    return ascii_text
