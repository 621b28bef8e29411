"""Abbreviations of titles, streets, phrases and states."""

from barkserve.semantic.spelling.numerals import digit_by_digit
from barkserve.semantic.spelling.rule import Rules, any_case, one_of, rule

_WITH_PERIOD = {
    "mr": "mister", "mrs": "missus", "ms": "miz", "dr": "doctor", "prof": "professor",
    "jr": "junior", "sr": "senior", "vs": "versus", "etc": "et cetera",
    "approx": "approximately", "dept": "department", "tel": "telephone", "min": "minutes",
    "ave": "avenue", "blvd": "boulevard", "rd": "road", "hwy": "highway", "apt": "apartment",
    "inc": "incorporated", "ltd": "limited", "corp": "corporation", "capt": "captain",
    "lt": "lieutenant", "sgt": "sergeant", "gov": "governor", "sen": "senator",
    "mt": "mount", "est": "established", "avg": "average", "max": "maximum", "vol": "volume",
    "fig": "figure", "pp": "pages", "rev": "reverend", "ste": "suite", "ext": "extension",
    "univ": "university", "assoc": "association", "misc": "miscellaneous", "ch": "chapter",
    "hr": "hour", "hrs": "hours", "mins": "minutes", "sec": "seconds", "secs": "seconds",
    "esq": "esquire", "tsp": "teaspoon", "tbsp": "tablespoon",
    "appt": "appointment", "bldg": "building", "rm": "room", "pkwy": "parkway",
    "incl": "including", "viz": "namely", "yr": "year", "yrs": "years", "ft": "feet",
    "lb": "pounds", "lbs": "pounds", "oz": "ounces",
}  # fmt: skip
_BEFORE_NAMES = {
    "Gen": "general", "Col": "colonel", "Rep": "representative", "Hon": "honorable",
    "Pres": "president", "Ft": "fort", "Cpl": "corporal", "Adm": "admiral",
    "Maj": "major",
}  # fmt: skip
_WITHOUT_PERIOD = {
    "Mr": "mister", "Mrs": "missus", "Dr": "doctor", "Prof": "professor", "Jr": "junior",
    "Sr": "senior", "vs": "versus", "etc": "et cetera", "approx": "approximately",
    "Ave": "avenue", "Blvd": "boulevard", "tsp": "teaspoon", "tbsp": "tablespoon",
}  # fmt: skip
_STREETS = {
    "Dr": "drive", "St": "street", "Ct": "court", "Ln": "lane", "Pl": "place", "Sq": "square",
    "Pkwy": "parkway", "Rd": "road", "Ave": "avenue",
}  # fmt: skip
_STATES = {
    "AL": "Alabama", "AK": "Alaska", "AZ": "Arizona", "AR": "Arkansas", "CA": "California",
    "CO": "Colorado", "CT": "Connecticut", "DE": "Delaware", "DC": "D C", "FL": "Florida",
    "GA": "Georgia", "HI": "Hawaii", "ID": "Idaho", "IL": "Illinois", "IN": "Indiana",
    "IA": "Iowa", "KS": "Kansas", "KY": "Kentucky", "LA": "Louisiana", "ME": "Maine",
    "MD": "Maryland", "MA": "Massachusetts", "MI": "Michigan", "MN": "Minnesota",
    "MS": "Mississippi", "MO": "Missouri", "MT": "Montana", "NE": "Nebraska", "NV": "Nevada",
    "NH": "New Hampshire", "NJ": "New Jersey", "NM": "New Mexico", "NY": "New York",
    "NC": "North Carolina", "ND": "North Dakota", "OH": "Ohio", "OK": "Oklahoma", "OR": "Oregon",
    "PA": "Pennsylvania", "RI": "Rhode Island", "SC": "South Carolina", "SD": "South Dakota",
    "TN": "Tennessee", "TX": "Texas", "UT": "Utah", "VT": "Vermont", "VA": "Virginia",
    "WA": "Washington", "WV": "West Virginia", "WI": "Wisconsin", "WY": "Wyoming",
}  # fmt: skip

_DIRECTIONS = {
    "N": "North", "S": "South", "E": "East", "W": "West", "NW": "Northwest", "NE": "Northeast",
    "SW": "Southwest", "SE": "Southeast",
}  # fmt: skip
_STREET = "(?:St|Ave|Rd|Blvd|Dr|Ln|Pl|Ct|Sq|Street|Avenue|Road|Boulevard|Drive|Lane)"
_SURE_STATES = {
    each: name
    for each, name in _STATES.items()
    if each not in ("AL", "DE", "HI", "IN", "LA", "MA", "MD", "ME", "MS", "OK", "OR", "PA")
}
"""Those that are not words or titles too."""

DIRECTIONS: Rules = (
    rule(
        rf"\b(\d{{1,6}}) ([NSEW])\.? (?=\d{{1,3}}(?:st|nd|rd|th) |[A-Z][a-z]{{1,20}} {_STREET}\b)",
        lambda match: f"{match[1]} {_DIRECTIONS[match[2]]} ",
    ),
    rule(rf"\b({_STREET}\.? )([NS][EW])\b", lambda match: match[1] + _DIRECTIONS[match[2]]),
)
"""Apart, because "55 W" is a number of watts elsewhere."""

RULES: Rules = (
    any_case(r"\be\.g\.", "for example"),
    any_case(r"\bi\.e\.", "that is"),
    any_case(r"\ba\.?k\.?a\b\.?", "also known as"),
    any_case(r"\bet al\.", "and others"),
    any_case(r"\bPh\.?D\b\.?", "P H D"),
    rule(r"&c\.", "et cetera"),
    rule(r"\bWW(?=I{1,2}\b)", "World War "),
    rule(r"\b[Aa]pt\.?(?= ?\d)", "apartment"),
    rule(r"\b[Ee]xt\.?(?= ?\d)", "extension"),
    rule(r"(?<=\d(?:st|nd|rd|th)) St\b\.?", " street"),
    rule(r"\bca?\. ?(?=\d)", "circa "),
    rule(r"\bcf\.", "compare"),
    rule(r"\bN\.?B\.(?= )", "note"),
    rule(r"\bw/o(?:ut)?\b", "without"),
    rule(r"\b([BM])\.?Sc\b\.?", lambda match: f"{match[1]} S C"),
    rule(r"(?<=[a-z&] )Co\.(?=[\s,]|$)", "company"),
    rule(r"(?<!\d )\b(?:ft|[Ff]eat)\.(?= [A-Z])", "featuring"),
    any_case(r"(?<!\d )\bmin\.(?= ?\d)", "minimum"),
    rule(r"\bw/(?= ?\w)", "with "),
    rule(r"\bc/o\b", "care of"),
    rule(r"\bb/c\b", "because"),
    rule(r"\b[Aa]/[Cc]\b", "A C"),
    rule(r"\band/or\b", "and or"),
    rule(r"#(\d{5,12})\b", lambda match: f"number {digit_by_digit(match[1])}"),
    rule(r"\b[Nn]os\.? ?(?=\d)", "numbers "),
    rule(r"\b(?:No|Nr|no)\.? ?(?=\d)|#(?=\d)", "number "),
    rule(r"\b[Pp]\. ?(?=\d)", "page "),
    rule(
        rf"(\d{{1,6}} (?:[A-Z]\w{{0,20}} |[NSEW]\. ){{1,3}})({one_of(_STREETS)})\b\.?",
        lambda match: match[1] + _STREETS[match[2]],
    ),
    rule(r"\bSt\.(?= [A-Z])", "saint"),
    rule(r"\bSt\.", "street"),
    rule(
        rf"\b({one_of(_STATES)}),? (\d{{5}})(?:-(\d{{4}}))?\b",
        lambda match: f"{_STATES[match[1]]} {_zip_code(match[2], match[3])}",
    ),
    rule(
        rf"\b([A-Z][a-z]{{1,30}}, )({one_of(_SURE_STATES)})(?=[\s.,;]|$)",
        lambda match: match[1] + _STATES[match[2]],
    ),
    rule(rf"\b({one_of(_BEFORE_NAMES)})\. ?(?=[A-Z])", lambda match: _BEFORE_NAMES[match[1]] + " "),
    any_case(
        rf"\b({one_of(_WITH_PERIOD)})\.(?=\s|,|$)", lambda match: _WITH_PERIOD[match[1].lower()]
    ),
    rule(r"\b(\d{1,5})([A-F])(?= [A-Z][a-z])", lambda match: f"{match[1]} {match[2]}"),
    any_case(r"\bn/a\b", "not applicable"),
    any_case(
        r"\b(apartment|suite|unit|room|gate|seat|flat) (\d{1,5})([A-Z])\b",
        lambda match: f"{match[1]} {match[2]} {match[3]}",
    ),
    rule(rf"\b({one_of(_WITHOUT_PERIOD)})\b(?!')", lambda match: _WITHOUT_PERIOD[match[1]]),
)


def _zip_code(digits: str, more: str | None) -> str:
    return digit_by_digit(digits) + (f", {digit_by_digit(more)}" if more else "")
