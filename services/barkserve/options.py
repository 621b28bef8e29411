"""Command-line options declared as dataclass fields, and read from flags and the environment."""

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
_DEFAULT_MOST = 1e9

AUTO = "auto"
"""The value of an option that leaves the choice to the program."""


def option(
    default: Any,
    text: str,
    choices: tuple[str, ...] = (),
    most: float = _DEFAULT_MOST,
    least: float = 0,
    auto: bool = False,
) -> Any:
    """Declare a dataclass field that is also a command-line option.

    Args:
        default: the default value; its type is the type of the option.
        text: the help text.
        choices: the allowed values of a string; empty allows all.
        most: largest allowed number.
        least: smallest allowed number.
        auto: "auto" is allowed too, and means 0.
    """
    limits = {"least": least, "most": most, "auto": auto}
    return field(default=default, metadata={"help": text, "choices": choices, **limits})


def port_option(default: int, text: str, count: int = 1) -> Any:
    """Declare the option of a port, or of the first one of `count` consecutive ports."""
    return option(default, text, most=_LAST_PORT + 1 - count)


def flag_of(name: str) -> str:
    """The flag of a field, such as --metrics-port for metrics_port."""
    return "--" + name.replace("_", "-")


def variable_of(name: str) -> str:
    """The environment variable of a field, such as BARKSERVE_METRICS_PORT for metrics_port."""
    return "BARKSERVE_" + name.upper()


def add_options(parser: argparse.ArgumentParser, kind: type[Options]) -> None:
    """Add one argument for each field of an options class."""
    for entry in fields(kind):
        metadata = entry.metadata
        origin = f"default: {_shown(entry)}; environment: {variable_of(entry.name)}"
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
    """Read an options class: flags win over the environment, the environment over defaults.

    Raises:
        StartupError: a value is not allowed; the message names the flag or variable.
    """
    values: dict[str, Any] = {}
    for entry in fields(kind):
        text = getattr(arguments, entry.name)
        source = flag_of(entry.name)
        if text is None:
            text, source = environment.get(variable_of(entry.name)), variable_of(entry.name)
        if text is not None:
            values[entry.name] = _parse(text, entry.default, entry.metadata, source)
    return kind(**values)


def unknown_variables(environment: Mapping[str, str], kinds: Sequence[type[Any]]) -> list[str]:
    """The BARKSERVE_ variables that belong to no option, so that a typo is not ignored."""
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
    if metadata["auto"] and text == AUTO:
        return 0
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
    if not least <= number <= most:  # NaN fails this too
        whole = "whole " if kind is int else ""
        raise StartupError(
            f"{source}: {text!r} is not a {whole}number from {least:.0f} to {most:.0f}"
        )
    return number


def _shown(entry: Field[Any]) -> str:
    if entry.metadata["auto"] and not entry.default:
        return AUTO
    if isinstance(entry.default, bool):
        return str(entry.default).lower()
    return str(entry.default) or repr(entry.default)


def _metavar(entry: Field[Any]) -> str:
    real = "SECONDS" if entry.name.endswith("_seconds") else "X"
    return {int: "N", float: real, str: "TEXT"}[type(entry.default)]


def environment() -> Mapping[str, str]:
    """The environment of the process. Nothing else reads it."""
    return os.environ
