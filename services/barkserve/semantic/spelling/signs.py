"""Signs outside ASCII, and those that stay when everything else is read."""

import re

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
    "π": " pi ", "Δ": " delta ", "Σ": " sum ", "§": " section ", "¶": " paragraph ",
    "©": " copyright ", "®": "", "™": "", "→": " to ", "⇒": " to ", "‰": " per mille",
    "№": "number ", "µ": "micro", "μ": "micro", "∑": " sum of ", "∫": " integral of ",
    "∈": " in ", "∉": " not in ", "∂": " partial ",
    "℃": "°C", "℉": "°F",
}  # fmt: skip
_HASHTAG_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
_GREEK = {
    "\u03b1": "alpha", "β": "beta", "\u03b3": "gamma", "δ": "delta", "ε": "epsilon", "θ": "theta",
    "λ": "lambda", "\u03c3": "sigma", "τ": "tau", "φ": "phi", "χ": "chi", "ψ": "psi", "ω": "omega",
    "Θ": "theta", "Λ": "lambda", "Φ": "phi", "Ψ": "psi",
}  # fmt: skip
_ENTITIES = {
    "&amp;": "&", "&lt;": "<", "&gt;": ">", "&quot;": '"', "&nbsp;": " ", "&#39;": "'",
    "&apos;": "'",
}  # fmt: skip
_ASCII = {
    "&&": " and ", "&": " and ", "@": " at ", "%": " percent", "+": " plus ",
    "!=": " does not equal ", "<=": " is less than or equal to ",
    ">=": " is greater than or equal to ", "==": " equals ", "=": " equals ",
    "->": " to ", "=>": " to ", "/": " slash ", "**": " to the power of ", "*": " times ",
    "_": " ", "<": " less than ", ">": " greater than ", "\\": " backslash ", "#": " hash ",
    "~": " about ", "^": " to the power of ", "|": " ",
}  # fmt: skip

TYPOGRAPHY: Rules = (
    rule("\\s{0,3}\u2014\\s{0,3}", ", "),  # em dash
    rule("[\u2013\u2212]", "-"),  # en dash and minus sign
    rule("[\u2018\u2019]", "'"),
    rule("[\u201c\u201d]", '"'),
)

BEFORE_ASCII: Rules = (
    rule(one_of(_ENTITIES), lambda match: _ENTITIES[match[0]]),
    rule(rf"(\d?)({'|'.join(_FRACTIONS)})", lambda match: f"{match[1]} {_FRACTIONS[match[2]]}"),
    rule("[⁻]?[⁰¹²³⁴⁵⁶⁷⁸⁹]+", lambda match: "^" + match[0].translate(_SUPERSCRIPTS)),
    rule(r"(?<=\d)%\s?-\s?(?=\d)", " percent to "),
    rule(one_of(_WORDS), lambda match: _WORDS[match[0]]),
    rule(  # a letter alone, not Greek words
        rf"(?<![\u0370-\u03ff])({'|'.join(_GREEK)})(?![\u0370-\u03ff])",
        lambda match: f" {_GREEK[match[1]]} ",
    ),
    rule(r"(?<=[a-z]) --? (?=[a-zA-Z])", ", "),
)
"""What anyascii would replace by signs or letters that are read in another way."""

REMAINING: Rules = (
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
    rule(r"(?<![\w.])\.(?=[a-z]{2})", "dot "),
    rule(r"(?<!\S)--(?=[a-z])", "dash dash "),
    rule(r"(?<!\S)-(?=[a-z]\b)", "dash "),
    any_case(r"\b(\w{1,60})\.(?=[a-z]\w{0,60}\()", lambda match: f"{match[1]} dot "),
    rule(r"(?<=[a-zA-Z])\*\*(?=\w)", " to the power of "),
    rule(r"(?<=\w)/(?=\w)|(?<=\w) / (?=\w)", lambda match: " slash "),
    rule(one_of(_ASCII), lambda match: _ASCII[match[0]]),
)
"""What stands in ASCII when numbers, units and addresses are read."""

EMOJI_NAME = re.compile(r":[a-z0-9_\-]+:")
"""What anyascii makes of an emoji."""
