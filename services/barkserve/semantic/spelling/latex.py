"""Formulas in LaTeX, as language models write them."""

import re

from barkserve.semantic.spelling.rule import Rules, one_of, rule

_COMMANDS = {
    "times": "times", "cdot": "times", "div": "divided by", "pm": "plus or minus",
    "leq": "is less than or equal to", "le": "is less than or equal to",
    "geq": "is greater than or equal to", "ge": "is greater than or equal to",
    "neq": "does not equal", "ne": "does not equal", "approx": "approximately equals",
    "infty": "infinity", "to": "to", "rightarrow": "to", "Rightarrow": "implies", "in": "in",
    "sum": "the sum of", "int": "the integral of", "prod": "the product of", "ldots": ",",
    "dots": ",", "cdots": ",", "left": "", "right": "", "quad": ",", "circ": "degrees",
    "sin": "sine", "cos": "cosine", "tan": "tangent", "ln": "natural log", "partial": "partial",
}  # fmt: skip
_GREEK = (
    "alpha|beta|gamma|delta|epsilon|zeta|eta|theta|iota|kappa|lambda|mu|nu|xi|pi|rho|sigma|tau"
    "|upsilon|phi|chi|psi|omega"
)
_BRACES = r"\{([^{}\n]{1,100})\}"
_SHOWN = r"(?:[^$\n\\]|\\.){1,300}?"

RULES: Rules = (
    rule(
        rf"(?<![\w$])(\${{1,2}})(?=\S)({_SHOWN})(?<=\S)\1(?![\w$])",
        lambda match: match[2] if re.search(r"[\\^_={}]", match[2]) else match[0],
    ),
    rule(r"\\[()\[\]]", " "),
    rule(
        rf"\\(?:text|mathrm|mathbf|mathit|operatorname|boxed|textbf|emph){_BRACES}",
        lambda match: match[1],
    ),
    rule(rf"\\sqrt{_BRACES}", lambda match: f" the square root of {match[1]} "),
    rule(rf"\\[dt]?frac{_BRACES}{_BRACES}", lambda match: _fraction(match[1], match[2])),
    rule(rf"\^{_BRACES}", lambda match: f"^{match[1]}"),
    rule(rf"(?<=\w)_{_BRACES}", lambda match: f" {match[1]}"),
    rule(
        rf"\\({one_of(_COMMANDS)})(?![a-zA-Z])",
        lambda match: f" {_COMMANDS[match[1]]} ",
    ),
    rule(rf"\\((?i:{_GREEK}))(?![a-zA-Z])", lambda match: f" {match[1].lower()} "),
    rule(r"\\(?=[%$&#_*`~])", ""),
)


def _fraction(top: str, bottom: str) -> str:
    if top.isdecimal() and bottom.isdecimal():
        return f" {top}/{bottom} "
    return f" {top} over {bottom} "
