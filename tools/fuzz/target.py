"""Finds the targets by name."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pkgutil import iter_modules
from typing import cast

from tools.fuzz import targets


@dataclass(frozen=True)
class Target:
    """A parser to fuzz.

    Attributes:
        fuzz: parses an input; raises an exception if the parser has a bug.
        seeds: returns inputs from which a fuzzer derives others.
    """

    fuzz: Callable[[bytes], None]
    seeds: Callable[[], list[bytes]]


def names() -> list[str]:
    """Return the names of all targets, sorted. None is imported."""
    return sorted(module.name for module in iter_modules(targets.__path__))


def load(name: str) -> Target:
    """Import a target and all that it parses with."""
    module = import_module(f"{targets.__name__}.{name}")
    return Target(
        cast(Callable[[bytes], None], module.fuzz),
        cast(Callable[[], list[bytes]], module.seeds),
    )
