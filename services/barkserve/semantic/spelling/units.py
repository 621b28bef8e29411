"""Numbers with units of measurement."""

import re

from barkserve.semantic.spelling.numerals import AMOUNT, amount, describes
from barkserve.semantic.spelling.rule import Rules, one_of, rule

# Each unit's singular; the plural follows in _PLURALS where it does not end in s.
_UNITS = {
    "km": "kilometer", "m": "meter", "cm": "centimeter", "mm": "millimeter", "µm": "micrometer",
    "nm": "nanometer", "mi": "mile", "ft": "foot", "yd": "yard", "in": "inch", "kg": "kilogram",
    "g": "gram", "mg": "milligram", "lb": "pound", "lbs": "pound", "oz": "ounce", "t": "ton",
    "l": "liter", "L": "liter", "ml": "milliliter", "mL": "milliliter", "cl": "centiliter",
    "dl": "deciliter", "gal": "gallon", "s": "second", "sec": "second", "ms": "millisecond",
    "ns": "nanosecond", "us": "microsecond", "µs": "microsecond", "µg": "microgram",
    "µl": "microliter", "µL": "microliter",
    "min": "minute", "mins": "minute", "mo": "month", "mos": "month", "wk": "week",
    "yds": "yard", "pt": "point", "pts": "point", "MP": "megapixel",
    "kg/m^3": "kilogram per cubic meter",
    "g/cm^3": "gram per cubic centimeter", "W/m^2": "watt per square meter",
    "m/s^2": "meter per second squared", "h": "hour",
    "hr": "hour", "hrs": "hour", "yr": "year", "yrs": "year", "Hz": "hertz", "kHz": "kilohertz",
    "MHz": "megahertz", "GHz": "gigahertz", "KB": "kilobyte", "kB": "kilobyte",
    "MB": "megabyte", "GB": "gigabyte", "TB": "terabyte", "PB": "petabyte", "KiB": "kibibyte",
    "MiB": "mebibyte", "GiB": "gibibyte", "kbps": "kilobit per second",
    "Mbps": "megabit per second", "Gbps": "gigabit per second", "W": "watt", "kW": "kilowatt",
    "MW": "megawatt", "GW": "gigawatt", "Wh": "watt hour", "kWh": "kilowatt hour", "V": "volt",
    "kV": "kilovolt", "mV": "millivolt", "A": "amp", "mA": "milliamp", "mAh": "milliamp hour",
    "Ω": "ohm", "dB": "decibel", "Pa": "pascal", "kPa": "kilopascal", "hPa": "hectopascal",
    "psi": "P S I", "J": "joule", "kJ": "kilojoule", "cal": "calorie", "kcal": "kilocalorie",
    "N": "newton", "ha": "hectare", "px": "pixel", "bpm": "beat per minute",
    "rpm": "revolution per minute", "fps": "frame per second", "mph": "mile per hour",
    "kph": "kilometer per hour", "kmh": "kilometer per hour", "km/h": "kilometer per hour",
    "m/s": "meter per second", "ft/s": "foot per second", "mpg": "mile per gallon",
    "sq ft": "square foot", "sq. ft.": "square foot", "sq m": "square meter",
    "sq mi": "square mile", "fl oz": "fluid ounce", "mg/dL": "milligram per deciliter",
    "°C": "degree Celsius", "° C": "degree Celsius", "°F": "degree Fahrenheit",
    "° F": "degree Fahrenheit", "°K": "kelvin", "K": "kelvin", "°": "degree",
    "dpi": "dot per inch", "ppm": "part per million", "kbit/s": "kilobit per second",
    "Mbit/s": "megabit per second", "Gbit/s": "gigabit per second", "MB/s": "megabyte per second",
    "GB/s": "gigabyte per second", "tsp": "teaspoon", "tbsp": "tablespoon",
    "mmHg": "millimeter of mercury", "kg/m": "kilogram per meter",
}  # fmt: skip
_PLURALS = {"foot": "feet", "inch": "inches", "hertz": "hertz", "kilohertz": "kilohertz",
            "megahertz": "megahertz", "gigahertz": "gigahertz", "I": "I"}  # fmt: skip
_POWERS = {"2": "square", "3": "cubic"}
_DIRECTIONS = {"N": "North", "S": "South", "E": "East", "W": "West"}
_NEED_NO_SPACE = {"s", "h", "t", "A", "in", "l", "N", "J", "us"}
"""Units that are words or letters of their own after a space: only "5s" is a number of seconds."""

_NEED_SPACE = {"K"}
"""Units that are read in another way behind a digit: "5K" is five thousand."""

_TIGHT = one_of({unit: "" for unit in _UNITS if unit not in _NEED_SPACE})
_SPACED = one_of({unit: "" for unit in _UNITS if unit not in _NEED_NO_SPACE})
_LENGTHS = "km|cm|mm|mi|ft|in|m"
_BEFORE_NOUNS = "km|mile|foot|ft|inch|kg|lb|mm|cm|oz|min|hour|hr|GB|MB|m"
_SIGN = r"(?<![\w.,/])(-?)"
_RANGE = rf"(?:({AMOUNT})(?:\s?-\s?| to ))?"

RULES: Rules = (
    rule(
        r"(?<![\w.])(\d{1,3})° ?(\d{1,2})(?:'|\u2032) ?"
        r"(?:(\d{1,2}(?:\.\d{1,4})?)(?:\"|''|\u2033) ?)?([NSEW])?\b",
        lambda match: _position(match),
    ),
    rule(r"(?<=\d)° ?([NSEW])\b", lambda match: f" degrees {_DIRECTIONS[match[1]]}"),
    rule(
        rf"(?<![\w.])((?:{AMOUNT}) ?(?:{_LENGTHS})) ?[x\u00d7] ?(?=\d)",
        lambda match: f"{match[1]} by ",
    ),
    rule(
        rf"(?<![\w.])({AMOUNT}) ?[x\u00d7] ?"
        rf"(?=(?:{AMOUNT})(?: ?[x\u00d7] ?(?:{AMOUNT}))? ?(?:{_LENGTHS}|px)\b)",
        lambda match: f"{amount(match[1])} by ",
    ),
    rule(rf"(?<![\w.])({AMOUNT}) in\.(?= [a-z]|\)|$)", lambda match: _quantity(match[1], "inch")),
    rule(rf"(?<![\w.])({AMOUNT}) c\.(?= [a-z])", lambda match: _quantity(match[1], "cup")),
    rule(
        r"(?<![\w.])([3-8])'(\d|1[01])(?![\w'\".])",
        lambda match: f"{_quantity(match[1], 'foot')} {amount(match[2])}",
    ),
    rule(
        r"(?<![\w.\"'])(\d{1,3}(?:\.\d)?)\"(?=( [a-z])?)",
        lambda match: _inches(match),
    ),
    rule(
        r"\b(\d{1,3})h ?(\d{1,2})m(?: ?(\d{1,2})s)?\b",
        lambda match: _duration(("hour", match[1]), ("minute", match[2]), ("second", match[3])),
    ),
    rule(
        r"\b(\d{1,3})m ?(\d{1,2})s\b",
        lambda match: _duration(("minute", match[1]), ("second", match[2])),
    ),
    rule(
        r"(?<![\w.])(\d{1,4})' ?[x\u00d7] ?(\d{1,4})'(?!\w)",
        lambda match: f"{_quantity(match[1], 'foot')} by {_quantity(match[2], 'foot')}",
    ),
    rule(
        r"(?<![\w.])(\d{1,2})' ?(\d{1,2})(?:\"|'')(?!\w)",
        lambda match: f"{_quantity(match[1], 'foot')} {_quantity(match[2], 'inch')}",
    ),
    rule(
        r"(?<![\w.\"'])(\d{1,3}) ?ft (\d{1,2}) ?in\b",
        lambda match: f"{_quantity(match[1], 'foot')} {_quantity(match[2], 'inch')}",
    ),
    rule(
        rf"(?<![\w./,])(\d{{1,4}} )?(\d{{1,3}})/(\d{{1,3}}) ({_SPACED})(?![\w\u00b0/])",
        lambda match: _fraction(match),
    ),
    rule(
        rf"{_SIGN}{_RANGE}({AMOUNT}) ?({_LENGTHS})(?:\^?([23]))(?!\w)",
        lambda match: _measure(match, f"{_POWERS[match[5]]} {_UNITS[match[4]]}"),
    ),
    rule(
        rf"{_SIGN}{_RANGE}({AMOUNT})(?:({_TIGHT})| ({_SPACED}))(?![\w°/])(?:\.(?= [a-z]))?",
        lambda match: _measure(match, _UNITS[match[4] or match[5]]),
    ),
    rule(
        rf"{_SIGN}{_RANGE}({AMOUNT})-({_BEFORE_NOUNS})(?=[ \-][a-z])",
        lambda match: f"{_number(match)} {_UNITS.get(match[4], match[4])}",
    ),
    rule("°", " degrees "),
)


def _duration(*parts: tuple[str, str | None]) -> str:
    return " ".join(_quantity(figures, unit) for unit, figures in parts if figures)


def _inches(match: re.Match[str]) -> str:
    """Inches, unless the quotation mark closes a quotation."""
    if match.string.count('"', 0, match.start()) % 2:
        return match[0]
    return f"{amount(match[1])} inch" if match[2] else _quantity(match[1], "inch")


def _position(match: re.Match[str]) -> str:
    words = _duration(("degree", match[1]), ("minute", match[2]), ("second", match[3]))
    return words + (f" {_DIRECTIONS[match[4]]}" if match[4] else "")


def _fraction(match: re.Match[str]) -> str:
    """A fraction, which is read later, with its unit: one unless there is more than one of it."""
    whole, unit = match[1] or "", _UNITS[match[4]]
    is_one = not whole and int(match[2]) < int(match[3])
    return f"{whole}{match[2]}/{match[3]} {unit if is_one else _plural(unit)}"


def _measure(match: re.Match[str], unit: str) -> str:
    one = (match[3] == "1" and not match[2]) or describes(match)
    return f"{_number(match)} {unit if one else _plural(unit)}"


def _number(match: re.Match[str]) -> str:
    """Return the words for the groups 1 to 3: a sign, the start of a range, a number."""
    start = f"{amount(match[2])} to " if match[2] else ""
    return f"{'minus ' if match[1] else ''}{start}{amount(match[3])}"


def _quantity(figures: str, unit: str) -> str:
    return f"{amount(figures)} {unit if figures == '1' else _plural(unit)}"


def _plural(unit: str) -> str:
    """Return the plural: of what is counted, which stands before "per" and after "square"."""
    noun, per, rest = unit.partition(" per ")
    if noun == "millimeter of mercury":
        return "millimeters of mercury"
    if noun.startswith("degree"):
        return noun.replace("degree", "degrees", 1)
    first, space, last = noun.rpartition(" ")
    return first + space + _PLURALS.get(last, last + "s") + per + rest
