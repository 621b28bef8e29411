"""Options: flags win over the environment, and errors name what was given."""

import argparse
from dataclasses import fields

import pytest

from barkserve.config.orchestrator import OrchestratorOptions
from barkserve.config.stages import CoarseOptions, FineOptions, SemanticOptions
from barkserve.config.up import UpOptions
from barkserve.errors import StartupError
from barkserve.options import add_options, read_options, unknown_variables


def read(kind: type, words: list[str], environment: dict[str, str]) -> object:
    parser = argparse.ArgumentParser()
    add_options(parser, kind)
    return read_options(kind, parser.parse_args(words), environment)


def test_options_have_defaults() -> None:
    options = read(CoarseOptions, [], {})
    assert options == CoarseOptions()


def test_flag_wins_over_environment_over_default() -> None:
    environment = {"BARKSERVE_SLOTS": "3", "BARKSERVE_PORT": "1234"}
    options = read(SemanticOptions, ["--port", "77"], environment)
    assert options == SemanticOptions(port=77, slots=3)


def test_boolean_option_has_flag_and_variable() -> None:
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
def test_invalid_value_error_names_its_source(
    words: list[str], environment: dict[str, str], source: str
) -> None:
    with pytest.raises(StartupError, match=source):
        read(CoarseOptions, words, environment)


@pytest.mark.parametrize("words", [["--chunk-growth", "0.9"], ["--max-chunk-frames", "0"]])
def test_too_small_value_error_names_the_limit(words: list[str]) -> None:
    with pytest.raises(
        StartupError, match=rf"{words[0]}: '{words[1]}' is not a .*number from 1 to"
    ):
        read(FineOptions, words, {})


def test_zero_streams_are_rejected() -> None:
    with pytest.raises(StartupError, match="--max-streams: '0' is not a whole number from 1 to"):
        read(CoarseOptions, ["--max-streams", "0"], {})


def test_auto_means_zero_where_it_is_allowed() -> None:
    assert read(CoarseOptions, ["--slots", "auto"], {"BARKSERVE_SLOTS": "3"}).slots == 0
    assert read(CoarseOptions, ["--slots", "0"], {}).slots == 0  # as `up` passes it on
    with pytest.raises(StartupError, match="--threads: 'auto' is not a whole number"):
        read(CoarseOptions, ["--threads", "auto"], {})


def test_unknown_variables_are_found() -> None:
    environment = {"BARKSERVE_THREADS": "1", "BARKSERVE_THREDS": "1", "PATH": ""}
    assert unknown_variables(environment, [UpOptions]) == ["BARKSERVE_THREDS"]


def test_up_rejects_ports_beyond_the_last() -> None:
    assert read(UpOptions, ["--port", "65531"], {}) == UpOptions(port=65531)
    with pytest.raises(StartupError, match=r"--port.*65531"):
        read(UpOptions, ["--port", "65532"], {})


def test_only_mutual_tls_requires_client_certificate() -> None:
    assert not CoarseOptions(tls_cert="a", tls_key="b").requires_client_certificate
    assert CoarseOptions(tls_ca="ca").requires_client_certificate
    assert OrchestratorOptions(tls_ca="ca").requires_client_certificate
    assert not OrchestratorOptions(tls_ca="ca", tls_clients="anyone").requires_client_certificate


def test_help_texts_are_phrases() -> None:
    """A help text continues with "(default: ...)", so it must not end in a period."""
    for entry in fields(OrchestratorOptions):
        text = entry.metadata["help"]
        assert text == text.strip()
        assert not text.endswith(".")
