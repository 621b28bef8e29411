"""Descriptions of options, for `help()`: written once, in the docstrings of their classes."""

import inspect
from collections.abc import Callable
from typing import TypeVar

_HEADING = "Attributes:\n"

Function = TypeVar("Function", bound=Callable[..., object])


def documents_options(*kinds: type) -> Callable[[Function], Function]:
    """Return a decorator that appends the options to a function's docstring.

    Args:
        kinds: classes whose docstrings describe their attributes.
    """

    def extend(function: Function) -> Function:
        blocks = "\n".join(_attributes(kind) for kind in kinds)
        function.__doc__ = f"{inspect.getdoc(function)}\n\nOptions:\n{blocks}"
        return function

    return extend


def _attributes(kind: type) -> str:
    _, _, block = (inspect.getdoc(kind) or "").partition(_HEADING)
    return block.rstrip()
