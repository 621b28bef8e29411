"""Checks the names and types of options before anything is sent."""

import numbers
import types
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any, Literal, Self, Union, get_args, get_origin, get_type_hints

from barkclient.errors import InvalidRequest


class CheckedOptions:
    """Base of dataclasses of options: unknown names and wrong types are an InvalidRequest."""

    def __new__(cls, **options: object) -> Self:
        """Check the names."""
        check_names(options, get_type_hints(cls))
        return super().__new__(cls)

    def __post_init__(self) -> None:
        """Check the types."""
        check_types(vars(self), get_type_hints(type(self)))


def check_names(given: Iterable[str], known: Iterable[str]) -> None:
    """Check that all options exist.

    Raises:
        InvalidRequest: one does not. The message has the nearest name, or all names.
    """
    names = list(known)
    for name in given:
        if name not in names:
            nearest = get_close_matches(name, names, n=1)
            hint = f"did you mean {nearest[0]}?" if nearest else f"choose from {', '.join(names)}"
            raise InvalidRequest.of_field(name, f"is not an option: {hint}")


def check_types(values: Mapping[str, object], hints: Mapping[str, Any]) -> None:
    """Check that each value has its type.

    Raises:
        InvalidRequest: one has another type, or is not one of the allowed words.
    """
    for name, value in values.items():
        if not _accepts(hints[name], value):
            found = repr(value) if isinstance(value, str) else type(value).__name__
            expected = " or ".join(_describe(hints[name]))
            raise InvalidRequest.of_field(name, f"must be {expected}, not {found}")


def _accepts(hint: Any, value: object) -> bool:
    """Return whether a value has a type. NumPy's integers are integers; booleans are not."""
    kind = get_origin(hint) or hint
    if kind in (Union, types.UnionType):
        return any(_accepts(each, value) for each in get_args(hint))
    if kind is Literal:
        return isinstance(value, str) and value in get_args(hint)
    if kind in (int, float):
        number = numbers.Integral if kind is int else numbers.Real
        return isinstance(value, number) and not isinstance(value, bool)
    if kind is bool:
        return isinstance(value, bool)
    return isinstance(value, kind)


def _describe(hint: Any) -> list[str]:
    kind = get_origin(hint) or hint
    if kind in (Union, types.UnionType):
        return [name for each in get_args(hint) for name in _describe(each)]
    if kind is Literal:
        return [repr(word) for word in get_args(hint)]
    return ["None" if kind is types.NoneType else kind.__name__]
