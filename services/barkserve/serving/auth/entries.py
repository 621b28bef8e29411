"""Values of callers in files and JSON web tokens: names, roles and limits."""

from collections.abc import Iterable, Mapping
from dataclasses import fields

from barkserve.serving.caller import CallerLimits, Role

MAX_NAME_CHARACTERS = 200
MAX_LIMIT = 1_000_000_000
LIMIT_NAMES = tuple(entry.name for entry in fields(CallerLimits))


def checked_name(value: object) -> str:
    """Return the name of a caller.

    Raises:
        ValueError: it is not a short, printable text.
    """
    if not isinstance(value, str) or not 0 < len(value) <= MAX_NAME_CHARACTERS:
        raise ValueError(f"the name must be a text of 1 to {MAX_NAME_CHARACTERS} characters")
    if not value.isprintable():
        raise ValueError(f"the name {value!a} has a character that cannot be printed")
    return value


def checked_roles(names: Iterable[object]) -> frozenset[Role]:
    """Return the roles with these names.

    Raises:
        ValueError: a name is not that of a role, or there is none.
    """
    roles = frozenset(map(_checked_role, names))
    if not roles:
        raise ValueError(f"roles must have at least one of {', '.join(Role)}")
    return roles


def _checked_role(name: object) -> Role:
    try:
        return Role(str(name))
    except ValueError:
        raise ValueError(f"{name!r} is not a role: {', '.join(Role)}") from None


def checked_limits(values: Mapping[str, object], default: CallerLimits) -> CallerLimits:
    """Return the limits of a caller.

    Args:
        values: the limits that it has, by their names in `CallerLimits`; 0 means no limit.
        default: the others.

    Raises:
        ValueError: a limit is unknown or not a number.
    """
    limits = dict(vars(default))
    for name, value in values.items():
        if name not in LIMIT_NAMES:
            raise ValueError(f"{name!r} is not a limit: {', '.join(LIMIT_NAMES)}")
        limits[name] = _checked_limit(name, value)
    return CallerLimits(**limits)


def _checked_limit(name: str, value: object) -> float | None:
    allowed = (int, float) if name == "requests_per_second" else (int,)
    if not isinstance(value, int | float) or type(value) not in allowed:
        raise ValueError(f"{name} must be a {'' if float in allowed else 'whole '}number")
    if not 0 <= value <= MAX_LIMIT:  # NaN fails this too
        raise ValueError(f"{name} must be from 0 to {MAX_LIMIT}")
    return value or None
