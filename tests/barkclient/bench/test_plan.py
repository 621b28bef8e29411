"""The plan that a command line describes."""

from pathlib import Path

import pytest

from barkclient.bench.level import Level
from barkclient.bench.plan import Plan
from barkclient.bench.texts import SENTENCES
from barkclient.cli.arguments import parse
from barkclient.cli.bench_arguments import BenchArguments
from barkclient.errors import InvalidRequest


def plan(options: str = "") -> Plan:
    arguments = parse(["bench", *options.split()], {})
    assert isinstance(arguments, BenchArguments)
    return arguments.plan()


def test_default_plan_is_finite() -> None:
    default = plan()
    assert (default.loop, default.loads, default.timeout_s) == ("closed", (1, 2, 4, 8), 120)
    assert default.texts == SENTENCES
    assert default.level(1) == Level("closed", 1, count=20)
    assert default.level(8) == Level("closed", 8, count=32)
    assert default.warm_up(1) == Level("closed", 1, count=2)
    assert default.warm_up(8) == Level("closed", 2, count=2)


def test_rate_makes_an_open_loop() -> None:
    opened = plan("--rate 0.5,2.5 --seed 3 --warmup 5")
    assert (opened.loop, opened.loads, opened.seed) == ("open", (0.5, 2.5), 3)
    assert opened.level(0.5) == Level("open", 0.5, count=20)
    assert opened.level(2.5) == Level("open", 2.5, count=50)
    assert opened.warm_up(0.5) == Level("closed", 5, count=5)


@pytest.mark.parametrize(
    ("options", "level"),
    [
        ("--count 7", Level("closed", 4, count=7)),
        ("--duration 2.5", Level("closed", 4, duration_s=2.5)),
        ("--rate 4 --duration 2.5", Level("open", 4, duration_s=2.5)),
    ],
)
def test_level_ends_by_count_or_duration(options: str, level: Level) -> None:
    assert plan(options).level(4) == level


def test_saturation_plan_has_no_loads() -> None:
    searching = plan("--saturate --max-concurrency 12")
    assert (searching.loop, searching.loads, searching.max_concurrency) == ("closed", (), 12)


def test_text_file_has_one_text_per_line(tmp_path: Path) -> None:
    (tmp_path / "texts").write_text("Grüß dich ♪\n\n  second  \n", "utf-8")
    assert plan(f"--text-file {tmp_path / 'texts'}").texts == ["Grüß dich ♪", "second"]


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "cannot read"), (b" \n\n", "has no text"), (b"\xff", "is not UTF-8")],
)
def test_unreadable_text_file_is_refused(
    tmp_path: Path, content: bytes | None, message: str
) -> None:
    if content is not None:
        (tmp_path / "texts").write_bytes(content)
    with pytest.raises(InvalidRequest, match=message):
        plan(f"--text-file {tmp_path / 'texts'}")
