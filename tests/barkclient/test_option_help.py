"""Every option is described once: in help(), and in the table of docs/clients.md."""

import inspect
import re
from pathlib import Path
from typing import Any, get_type_hints

import pytest

from barkclient import (
    AsyncClient,
    AsyncSpeechStream,
    Client,
    FineOptions,
    Sampling,
    SemanticOptions,
    SpeechStream,
    StreamOptions,
    SynthesisOptions,
    TailOptions,
)
from barkclient.options import _encode_config, _encode_request

PAGE = (Path(__file__).parents[2] / "docs/clients.md").read_text()
ROW = re.compile(r"^\| `(\w+)` \| (.*?) \| (.*?) \|$", re.MULTILINE)
ENTRY = re.compile(r"^    (\w+): (.*(?:\n {8}.*)*)", re.MULTILINE)


def described(kind: type[Any]) -> dict[str, str]:
    """The options in a class's own docstring."""
    entries = ENTRY.findall(inspect.getdoc(kind) or "")
    return {name: re.sub(r"\s+", " ", text) for name, text in entries}


def table(heading: str) -> dict[str, tuple[str, str]]:
    """The rows below a heading of the page: default and description by name."""
    _, _, section = PAGE.partition(f"### {heading}\n")
    section = section.partition("\n#")[0]
    return {name: (default, text) for name, default, text in ROW.findall(section)}


def defaults() -> dict[str, object]:
    parameters = inspect.signature(_encode_request).parameters
    found = {name: each.default for name, each in parameters.items() if name != "text"}
    return found | {
        "max_delay_ms": inspect.signature(_encode_config).parameters["max_delay_ms"].default
    }


@pytest.mark.parametrize("kind", [Sampling, SemanticOptions, FineOptions, TailOptions])
def test_docstring_describes_every_option_of_a_model(kind: type[Any]) -> None:
    inherited = set(described(Sampling)) if issubclass(kind, Sampling) else set()
    assert set(described(kind)) | inherited == set(get_type_hints(kind))


def test_docstrings_describe_every_option() -> None:
    assert list(described(SynthesisOptions)) == list(get_type_hints(SynthesisOptions))
    assert set(get_type_hints(StreamOptions)) == {*described(SynthesisOptions), "max_delay_ms"}
    assert list(described(StreamOptions)) == ["max_delay_ms"]


@pytest.mark.parametrize(
    "method",
    [
        Client.synthesize,
        AsyncClient.synthesize,
        Client.synthesize_stream,
        AsyncClient.synthesize_stream,
        SpeechStream.speak,
        AsyncSpeechStream.speak,
    ],
)
def test_help_of_method_lists_every_option(method: Any) -> None:
    options = SynthesisOptions if method.__name__ == "synthesize" else StreamOptions
    listed = (inspect.getdoc(method) or "").partition("Options:\n")[2]
    assert {name for name, _ in ENTRY.findall(listed)} == set(get_type_hints(options))


def test_table_of_options_equals_the_code() -> None:
    rows = table("Options")
    texts = described(SynthesisOptions) | described(StreamOptions)
    assert {name: text for name, (_, text) in rows.items()} == texts
    expected = {
        name: "" if isinstance(value, Sampling) else f"`{value!r}`".replace("'", '"')
        for name, value in defaults().items()
    }
    assert {name: default for name, (default, _) in rows.items()} == expected


def test_table_of_models_equals_the_code() -> None:
    rows = table("Options of the models")
    expected: dict[str, tuple[str, str]] = {}
    for kind, group in (
        (Sampling, "`semantic`, `coarse`, `fine`"),
        (SemanticOptions, "`semantic`"),
        (FineOptions, "`fine`"),
        (TailOptions, "`tail`"),
    ):
        expected |= {name: (group, text) for name, text in described(kind).items()}
    assert rows == expected
