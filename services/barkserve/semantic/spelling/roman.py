"""Roman numerals: after names of rulers they are ordinals, elsewhere cardinals."""

import re

from barkserve.semantic.spelling.numerals import cardinal, ordinal
from barkserve.semantic.spelling.rule import Rules, rule

_VALUES = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100, "D": 500, "M": 1000}
_NUMERAL = r"(?=[IVXL]++\b)(?:XL|LX{0,3}|X{0,3})(?:IX|IV|V?I{0,3})(?<=[IVXL])"
_MANY = r"(?=[IVX]{2,}+\b)(?:X{0,3})(?:IX|IV|V?I{0,3})(?<=[IVXL])"
_RULERS = (
    "Henry|Louis|Elizabeth|George|Charles|Edward|Richard|William|James|Napoleon|Philip|Frederick"
    "|Catherine|Peter|Alexander|John Paul|John|Paul|Benedict|Pius|Leo|Francis|Ramses|Nicholas"
    "|Ivan|Victor|Otto|Mary|Ferdinand|Wilhelm|Gustav|Christian|Constantine|Leopold|Albert|Robert"
    "|David|Innocent|Gregory|Clement|Boniface|Margaret|Christina|Carl|Haakon|Harald|Olav|Felipe"
    "|Juan Carlos|Maximilian|Joseph|Xerxes|Darius|Ptolemy|Mehmed|Murad|Selim|Urban|Julius|Sixtus"
)
_PARTS = (
    "Chapter|Part|Section|Act|Scene|Volume|Book|Phase|Type|Level|War|Title|Article|Appendix"
    "|Figure|Table|Stage|Class|Grade|Bowl|Fantasy|Rocky|Episode|Round|Category|Tier|Mark|Lesson|Unit"
)

_END = r"\b(?:(?!['.]\w)|(?<=[IVX]{2})(?='s\b))"  # V's may be a letter

RULES: Rules = (
    rule(
        rf"\b({_RULERS}) ({_NUMERAL}){_END}",
        lambda match: f"{match[1]} the {ordinal(str(_value(match[2])))}",
    ),
    rule(
        rf"\b((?i:{_PARTS})s) ({_NUMERAL})\s?-\s?({_NUMERAL})\b",
        lambda match: f"{match[1]} {_words(match[2])} to {_words(match[3])}",
    ),
    rule(
        rf"\b((?i:{_PARTS})) ({_NUMERAL})\b(?!['.]\w)",
        lambda match: f"{match[1]} {_words(match[2])}",
    ),
    rule(
        r"\b([XVI]{1,8}) (?=century\b|centuries\b)",
        lambda match: f"{ordinal(str(_value(match[1])))} ",
    ),
    rule(
        rf"\b([A-Z][a-z]{{1,30}} )({_MANY}){_END}",
        lambda match: match[1] + _words(match[2]),
    ),
)


def _words(numeral: str) -> str:
    return cardinal(str(_value(numeral)))


def _value(numeral: str) -> int:
    values = [_VALUES[letter] for letter in re.findall(r"[IVXLCDM]", numeral)]
    following = [*values[1:], 0]
    return sum(
        -value if value < after else value for value, after in zip(values, following, strict=True)
    )
