"""How well a caption may be broken between two words.

The guidelines of broadcasters (BBC, Netflix) break after punctuation, then before a conjunction or
a preposition, and never between a short word and the word that it belongs to.
"""

import unicodedata

SENTENCE, CLAUSE, PHRASE, WORD, BOUND = 0, 1, 4, 7, 20
"""The costs of a break: at the end of a sentence, of a clause, before a phrase, elsewhere, and
after a word that belongs to the next one."""

_SENTENCE_ENDS = ".!?\u2026\u3002\uff01\uff1f\u0964"
_CLAUSE_ENDS = ",;:\u2014\u2013\uff0c\u3001\uff1b\uff1a"

# In English, German, French, Spanish, Portuguese and Italian, Polish, Turkish, Russian.
_STARTS = """
and but or nor so yet because although though if unless while when where which who whose that than
as after before since until in on at to of for with from by about over under between into through
during against without within across behind
und oder aber denn weil dass wenn als ob obwohl während mit von zu bei nach aus für auf
durch gegen ohne um unter über vor
et ou mais donc car que qui dont lorsque quand si de à dans sur avec pour par sans sous entre
y e o u pero porque aunque cuando donde con para sin sobre desde hasta mas quando onde com sem sob
ma perché dove che di da su per tra fra
i a oraz lub albo ale że gdy który która w z na do od dla przez przed
ve veya ama çünkü
и а но или что как
в на с по для от до из
"""  # noqa: RUF001 - Russian
"""Conjunctions and prepositions: a phrase begins with them."""
_BOUND = """
the a an this these those my your his her its our their some any no every each not very more i you
he she it we they is are was were be been am has have had do does did will would can could shall
should may might must mr mrs ms dr st
der die das den dem des ein eine einen einem einer mein dein sein kein ich du er sie wir ihr ist
sind war hat haben wird werden nicht zum zur im am
le la les l un une des du au aux mon ma mes ton sa ses ce cette ces je tu il elle nous vous ils est
sont ne pas el los las una unos del al mi su sus es son no lo os as um uma dos das ao gli uno
nie się jest bir не
"""
"""Articles, pronouns and auxiliary verbs: they belong to the word after them."""
_PHRASE_STARTS, _BOUND_WORDS = frozenset(_STARTS.split()), frozenset(_BOUND.split())


def break_cost(before: str, after: str) -> int:
    """Return what a break between two words costs.

    Args:
        before: the text before it, with its punctuation.
        after: the text after it.
    """
    left, right = before.rstrip().rstrip("\"'\u201d\u2019»)]"), after.lstrip()
    last, first = _word(left.split()[-1:]), _word(right.split()[:1])
    if left.endswith(tuple(_SENTENCE_ENDS)) and last not in _BOUND_WORDS:
        return SENTENCE
    if left.endswith(tuple(_CLAUSE_ENDS)):
        return CLAUSE
    if last in _BOUND_WORDS or last in _PHRASE_STARTS:
        return BOUND
    return PHRASE if first in _PHRASE_STARTS else WORD


def _word(words: list[str]) -> str:
    """The only word of a list, or "", in lower case and without punctuation around it."""
    if not words:
        return ""
    letters = [
        "" if unicodedata.category(sign)[0] in "PSZ" and sign != "'" else sign for sign in words[0]
    ]
    return "".join(letters).lower()
