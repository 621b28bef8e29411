"""Markdown: its signs are not read, its text is."""

from barkserve.semantic.spelling.rule import Rules, rule

RULES: Rules = (
    rule(r"!?\[([^\[\]]*)\]\([^()\s]*\)", lambda match: match[1]),
    rule(r"(?<!\w)\[[^\[\]]*\]|[♩♪♫♬]", " "),  # cues, and signs for singing
    rule(r"(?m)^[ \t]{0,3}#{1,6}[ \t]+", ""),
    rule(r"(?m)^[ \t]{0,9}[-*+•][ \t]+(?!\d)", ""),
    rule(r"(?m)^[ \t]{0,3}>[ \t]+", ""),
    rule(r"`+|~~|__", ""),
    rule(r"(?<!\d)\*\*+|\*\*+(?!\d)", ""),
    rule(r"(?<![\w)\]*])\*(?=[^\W\d])|(?<=[^\W\d])\*(?![\w*])|(?<=[.,!?])\*(?!\w)", ""),
)
