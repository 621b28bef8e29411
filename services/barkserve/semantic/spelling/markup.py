"""Markdown: its signs are not read, its text is."""

from barkserve.semantic.spelling.rule import Rules, rule

RULES: Rules = (
    rule(r"<br ?/?>", " "),
    rule(
        r"</?([a-zA-Z][\w\-]{0,20})(?: [\w\-]{1,20}=\"[^\"\n]{0,200}\"){0,9} ?/?>",
        lambda match: f" {match[1]} ",
    ),
    rule(
        r"(?<=\w)(?:\[\w{1,20}\]){2,5}", lambda match: match[0].replace("]", " ").replace("[", " ")
    ),
    rule(r"(?<=\w)~(\d{1,3})~(?=\w|\s|$)", lambda match: match[1]),
    rule(r"!?\[([^\[\]]*)\]\([^()\s]*\)", lambda match: match[1]),
    rule(r"(?<!\w)\[[^\[\]]*\]|[♩♪♫♬]", " "),  # cues, and signs for singing
    rule(r"(?m)^[ \t]{0,3}#{1,6}[ \t]+", ""),
    rule(r"(?m)^[ \t]{0,9}[-*+•][ \t]+(?!\d)", ""),
    rule(r"(?m)^[ \t]{0,3}>[ \t]+", ""),
    rule(r"`+|~~|__", ""),
    rule(r"(?<!\d)\*\*+|\*\*+(?!\d)", ""),
    rule(r"(?<![\w)\]*])\*(?=[^\W\d])|(?<=[^\W\d])\*(?![\w*])|(?<=[.,!?])\*(?!\w)", ""),
)
