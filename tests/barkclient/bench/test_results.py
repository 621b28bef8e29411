"""The results file: exact content, merging, and refusal of other files."""

import json
from pathlib import Path

import pytest

from barkclient.bench.results import (
    FORMAT,
    Result,
    Results,
    WrongResultsFormat,
    parse_results,
    read_results,
)
from tests.support.snippets import snippets

RESULTS = Results("a tool", {"cores": 2}, {"shape": "small"})
STEP = Result("step", {"model": "coarse", "streams": 4}, {"step_ms": 1.25})


def test_file_has_the_documented_fields(tmp_path: Path) -> None:
    RESULTS.with_results([STEP]).write(tmp_path / "folder" / "results.json")
    content = json.loads((tmp_path / "folder" / "results.json").read_text())
    ended_at = content.pop("ended_at")
    assert content == {
        "format": FORMAT,
        "tool": "a tool",
        "machine": {"cores": 2},
        "method": {"shape": "small"},
        "results": [
            {
                "section": "step",
                "case": {"model": "coarse", "streams": 4},
                "metrics": {"step_ms": 1.25},
                "status": "ok",
                "message": "",
                "details": {},
            }
        ],
    }
    assert ended_at.endswith("+00:00")
    assert [each.name for each in (tmp_path / "folder").iterdir()] == ["results.json"]


def test_written_file_reads_the_same(tmp_path: Path) -> None:
    results = RESULTS.with_results([STEP])
    results.write(tmp_path / "results.json")
    assert read_results(tmp_path / "results.json") == results


def test_later_result_replaces_the_same_case() -> None:
    again = Result("step", {"streams": 4, "model": "coarse"}, {"step_ms": 2.0})
    other = Result("stage", {"model": "coarse", "streams": 4}, {"seconds": 1.0})
    results = RESULTS.with_results([STEP, other]).with_results([again])
    assert list(results.results) == [other, again]
    assert results.of("step") == [again]


def test_documented_program_reads_levels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    metrics = {"ttfa_ms": {"p95": 250.0}, "c100_share": 0.99}
    results = RESULTS.with_results([STEP, Result("load", {"loop": "open", "load": 2.5}, metrics)])
    results.write(tmp_path / "load.json")
    monkeypatch.chdir(tmp_path)
    (program,) = [each.text for each in snippets() if each.page == "docs/measuring.md"][-1:]
    exec(program, {})
    assert capsys.readouterr().out == "2.5 250.0 0.99\n"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"format": "other/1", "results": []}',
        f'{{"format": "{FORMAT}", "results": [{{"no": "section"}}]}}',
        f'{{"format": "{FORMAT}", "results": []}}',
    ],
)
def test_other_files_are_refused(text: str) -> None:
    with pytest.raises(WrongResultsFormat, match=FORMAT):
        parse_results(text)
