"""Options classes from flags and the environment, read once. Knows what an option is, and none of
them.
"""

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import Field, field, fields
from typing import TYPE_CHECKING, Any, TypeVar

from barkserve.errors import StartupError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Options = TypeVar("Options", bound="DataclassInstance")

_LAST_PORT = 65535
_MOST = 1e9


def option(
    default: Any,
    text: str,
    choices: tuple[str, ...] = (),
    most: float = _MOST,
    least: float = 0,
) -> Any:
    """A dataclass field that is also a command-line option; a number may be `least` to `most`."""
    limits = {"least": least, "most": most}
    return field(default=default, metadata={"help": text, "choices": choices, **limits})


def port_option(default: int, text: str, count: int = 1) -> Any:
    """The option of a port, or of the first of several."""
    return option(default, text, most=_LAST_PORT + 1 - count)


def flag_of(name: str) -> str:
    """--metrics-port for metrics_port."""
    return "--" + name.replace("_", "-")


def variable_of(name: str) -> str:
    """BARKSERVE_METRICS_PORT for metrics_port."""
    return "BARKSERVE_" + name.upper()


def add_options(parser: argparse.ArgumentParser, kind: type[Options]) -> None:
    """One argument for each field of an options class."""
    for entry in fields(kind):
        metadata = entry.metadata
        origin = f"default: {_shown(entry.default)}; environment: {variable_of(entry.name)}"
        text = f"{metadata['help']} ({origin})"
        common: dict[str, Any] = {
            "dest": entry.name,
            "default": None,
            "help": text.replace("%", "%%"),
        }
        if isinstance(entry.default, bool):
            parser.add_argument(flag_of(entry.name), action="store_const", const="true", **common)
        else:
            choices = metadata["choices"]
            metavar = "{" + ",".join(choices) + "}" if choices else _metavar(entry)
            parser.add_argument(flag_of(entry.name), metavar=metavar, **common)


def read_options(
    kind: type[Options], arguments: argparse.Namespace, environment: Mapping[str, str]
) -> Options:
    """Flags first, environment second, defaults last. Raises StartupError for values that do not
    fit.
    """
    values: dict[str, Any] = {}
    for entry in fields(kind):
        given = getattr(arguments, entry.name)
        source = flag_of(entry.name)
        if given is None:
            given, source = environment.get(variable_of(entry.name)), variable_of(entry.name)
        if given is not None:
            values[entry.name] = _parse(given, entry.default, entry.metadata, source)
    return kind(**values)


def unknown_variables(environment: Mapping[str, str], kinds: Sequence[type[Any]]) -> list[str]:
    """Variables that look like ours and set nothing: a mistyped name must not be ignored in
    silence.
    """
    known = {variable_of(entry.name) for kind in kinds for entry in fields(kind)}
    return sorted(
        name for name in environment if name.startswith("BARKSERVE_") and name not in known
    )


def _parse(text: str, default: object, metadata: Mapping[str, Any], source: str) -> object:
    choices = metadata["choices"]
    if choices and text not in choices:
        raise StartupError(f"{source}: {text!r} is not one of {', '.join(choices)}")
    if isinstance(default, bool):
        if text.lower() not in ("true", "false", "1", "0"):
            raise StartupError(f"{source}: {text!r} is neither true nor false")
        return text.lower() in ("true", "1")
    if isinstance(default, int | float):
        return _number(text, type(default), metadata["least"], metadata["most"], source)
    return text


def _number(
    text: str, kind: type[int] | type[float], least: float, most: float, source: str
) -> int | float:
    try:
        number = kind(text)
    except ValueError:
        number = kind(-1)
    if not least <= number <= most:  # also refuses NaN
        whole = "whole " if kind is int else ""
        limits = f"{least:.0f} to {most:.0f}"
        raise StartupError(f"{source}: {text!r} is not a {whole}number of {limits}")
    return number


def _shown(default: object) -> str:
    if isinstance(default, bool):
        return str(default).lower()
    return str(default) or repr(default)


def _metavar(entry: Field[Any]) -> str:
    real = "SECONDS" if entry.name.endswith("_seconds") else "X"
    return {int: "N", float: real, str: "TEXT"}[type(entry.default)]


def environment() -> Mapping[str, str]:
    """The process's environment; the only place that reads it."""
    return os.environ
