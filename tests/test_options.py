"""Options: flags before environment before defaults, and a clear word for what does not fit."""

import argparse

import pytest

from barkserve.config import (
    CoarseOptions,
    FineOptions,
    SemanticOptions,
    UpOptions,
)
from barkserve.errors import StartupError
from barkserve.options import add_options, read_options, unknown_variables


def read(kind: type, words: list[str], environment: dict[str, str]) -> object:
    parser = argparse.ArgumentParser()
    add_options(parser, kind)
    return read_options(kind, parser.parse_args(words), environment)


def test_defaults() -> None:
    options = read(CoarseOptions, [], {})
    assert options == CoarseOptions()


def test_the_environment_beats_the_default_and_a_flag_beats_the_environment() -> None:
    environment = {"BARKSERVE_SLOTS": "3", "BARKSERVE_PORT": "1234"}
    options = read(SemanticOptions, ["--port", "77"], environment)
    assert options == SemanticOptions(port=77, slots=3)


def test_flags_without_a_value_and_their_variables() -> None:
    assert read(FineOptions, ["--exit-on-stdin-close"], {}).exit_on_stdin_close is True
    assert (
        read(FineOptions, [], {"BARKSERVE_EXIT_ON_STDIN_CLOSE": "0"}).exit_on_stdin_close is False
    )


@pytest.mark.parametrize(
    ("words", "environment", "source"),
    [
        (["--slots", "x"], {}, "--slots"),
        (["--slots", "-1"], {}, "--slots"),
        (["--slots", "1.5"], {}, "--slots"),
        (["--drain-seconds", "nan"], {}, "--drain-seconds"),
        (["--port", "65536"], {}, "--port.*65535"),  # gRPC would listen on 0
        (["--metrics-port", "70000"], {}, "--metrics-port"),
        (["--dtype", "float8"], {}, "--dtype"),
        ([], {"BARKSERVE_ATTENTION": "fast"}, "BARKSERVE_ATTENTION"),
        ([], {"BARKSERVE_EXIT_ON_STDIN_CLOSE": "perhaps"}, "BARKSERVE_EXIT_ON_STDIN_CLOSE"),
    ],
)
def test_what_does_not_fit_is_named(
    words: list[str], environment: dict[str, str], source: str
) -> None:
    with pytest.raises(StartupError, match=source):
        read(CoarseOptions, words, environment)


@pytest.mark.parametrize("words", [["--chunk-growth", "0.9"], ["--max-chunk-frames", "0"]])
def test_what_is_too_little_is_named(words: list[str]) -> None:
    with pytest.raises(StartupError, match=rf"{words[0]}: '{words[1]}' is not a .*number of 1 to"):
        read(FineOptions, words, {})


def test_a_stage_has_room_for_something() -> None:
    for option in ("--slots", "--max-streams"):
        with pytest.raises(StartupError, match=f"{option}: '0' is not a whole number of 1 to"):
            read(CoarseOptions, [option, "0"], {})


def test_unknown_variables_are_found() -> None:
    environment = {"BARKSERVE_THREADS": "1", "BARKSERVE_THREDS": "1", "PATH": ""}
    assert unknown_variables(environment, [UpOptions]) == ["BARKSERVE_THREDS"]


def test_all_ports_of_up_exist() -> None:
    assert read(UpOptions, ["--port", "65531"], {}) == UpOptions(port=65531)
    with pytest.raises(StartupError, match=r"--port.*65531"):
        read(UpOptions, ["--port", "65532"], {})
