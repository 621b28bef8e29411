"""The prose check: what it finds, where it looks, and how it counts sentences."""

from pathlib import Path

import pytest

from tools.prose import TABLE, Table, files, findings, main, mean_words, sentences

TABLE_OF_PHRASES = Table.load(TABLE)


def found(text: str) -> list[tuple[int, str]]:
    return [(line, phrase) for line, phrase, _ in findings(text, TABLE_OF_PHRASES.rules)]


@pytest.mark.parametrize(
    "text",
    [
        "a rollout is not heard",
        "the stream runs dry",
        "a voice in the box",
        "trained from nothing",
        "cake.npz is no folder",
        "there is no option that helps",
        "nobody waits",
        "whoever asks",
        "24000 samples a second",
        "the network failed",
        "wait(dry_at)",
        "class NetworkThread:",
        "def test_nobody_waits() -> None:",
        "a speech recogniser",
    ],
)
def test_findings_report_each_kind_of_phrase(text: str) -> None:
    assert len(found(text)) == 1, text


@pytest.mark.parametrize(
    "text",
    [
        "a second attempt succeeds",
        "it takes a second or two",
        "there is no lock",
        "it is no longer needed",
        "a NetworkPolicy of Kubernetes",
        "the audio underruns",
    ],
)
def test_findings_accept_plain_english(text: str) -> None:
    assert found(text) == []


def test_findings_cross_the_line_break_of_a_comment() -> None:
    assert found("# this one\n# is not\n# heard by") == [(2, "is not # heard")]


def test_findings_come_in_order_of_lines() -> None:
    assert [line for line, _ in found("fine\nwhoever\nfine\nnobody\n")] == [2, 4]


def test_main_names_file_line_and_replacement(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.md"
    page.write_text("One.\nTwo runs dry.\n")
    assert main([str(page)]) == 1
    assert capsys.readouterr().out.startswith(f"{page}:2: runs dry -> ")


def test_main_succeeds_for_plain_text(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("The scheduler admits a sequence when a slot is free.\n")
    assert main([str(page)]) == 0


def test_table_reads_our_text_but_no_generated_code() -> None:
    read = {path for path in files() if TABLE_OF_PHRASES.reads(path)}
    assert {"README.md", "Makefile", "protos/barkserve/v1/speech.proto"} <= read
    assert not any(path.startswith("services/barkserve/v1/") for path in read)


def test_sentences_skip_code_tables_and_link_targets() -> None:
    page = "# Title\n\nOne [two](http://a.b. c) three. Four!\n\n```\nx. y. z.\n```\n\n| a. | b. |\n"
    assert sentences(page) == ["One two three.", "Four!"]


def test_sentences_count_each_list_item() -> None:
    assert sentences("Words:\n- one two\n- three.\n\n1. four\n") == [
        "Words:",
        "one two",
        "three.",
        "four",
    ]


def test_mean_words_is_taken_over_all_pages() -> None:
    assert mean_words(["One two three.", "One. Two three four five."]) == pytest.approx(8 / 3)
