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


def test_default_plan_is_a_finite_open_loop() -> None:
    default = plan()
    assert (default.loop, default.loads, default.timeout_s) == ("open", (0.5, 1, 2), 120)
    assert default.search() is None
    assert default.texts == SENTENCES
    assert default.level(0.5) == Level("open", 0.5, count=20)
    assert default.level(2.5) == Level("open", 2.5, count=50)
    assert default.warm_up(0.5) == Level("closed", 2, count=2)


def test_concurrency_makes_a_closed_loop() -> None:
    closed = plan("--concurrency 1,8 --seed 3 --warmup 5")
    assert (closed.loop, closed.loads, closed.seed) == ("closed", (1, 8), 3)
    assert closed.level(1) == Level("closed", 1, count=20)
    assert closed.level(8) == Level("closed", 8, count=32)
    assert closed.warm_up(1) == Level("closed", 1, count=5)
    assert closed.warm_up(8) == Level("closed", 5, count=5)


@pytest.mark.parametrize(
    ("options", "level"),
    [
        ("--count 7", Level("open", 4, count=7)),
        ("--duration 2.5", Level("open", 4, duration_s=2.5)),
        ("--concurrency 4 --duration 2.5", Level("closed", 4, duration_s=2.5)),
    ],
)
def test_level_ends_by_count_or_duration(options: str, level: Level) -> None:
    assert plan(options).level(4) == level


@pytest.mark.parametrize(
    ("options", "loop", "first"),
    [
        ("--saturate", "open", 1),
        ("--saturate --rate 8", "open", 8),
        ("--saturate --concurrency 16", "closed", 16),
        ("--saturate --concurrency 16 --max-load 12", "closed", 12),
    ],
)
def test_saturation_begins_with_the_given_load(options: str, loop: str, first: float) -> None:
    searching = plan(options)
    search = searching.search()
    assert search is not None
    assert (searching.loop, search.next()) == (loop, first)


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
