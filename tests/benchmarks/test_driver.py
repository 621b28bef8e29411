"""The driver of `benchmarks.gpu`: budget, time limits, resumption, and results that are kept."""

import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pytest

from barkclient.bench.results import Result, Results, read_results
from benchmarks.gpu import driver
from benchmarks.gpu.driver import Driver, Run, run_process
from benchmarks.gpu.sections import Section
from benchmarks.gpu.settings import Settings

SETTINGS = Settings("cuda", "small", "work")
STEP = Result("steps", {"shape": "small", "streams": 1}, {"step_ms": 0.5})


@dataclass
class Sections:
    """Stands in for the processes: each takes 10 s on a clock of its own."""

    outcomes: dict[str, tuple[list[Result], int | None]] = field(default_factory=dict)
    ran: list[tuple[str, float]] = field(default_factory=list)
    now_s: float = 0.0

    def run_process(self, command: Sequence[str], log: Path, limit_s: float) -> int | None:
        *_, name, settings, file = command
        assert Settings.parse(settings) == SETTINGS
        self.ran.append((name, limit_s))
        self.now_s += 10
        results, code = self.outcomes.get(name, ([], 0))
        Path(file).write_text("".join(json.dumps(asdict(each)) + "\n" for each in results))
        log.write_text("".join(f"line {number}\n" for number in range(40)))
        return code


@pytest.fixture
def sections(monkeypatch: pytest.MonkeyPatch) -> Sections:
    stand_in = Sections()
    monkeypatch.setattr(driver, "run_process", stand_in.run_process)
    return stand_in


@pytest.fixture
def drive(sections: Sections, tmp_path: Path) -> Callable[..., Results]:
    """Runs three sections with limits of 60 s, and returns what the file then holds."""
    file = tmp_path / "results.json"

    def run(budget_s: float = 300) -> Results:
        earlier = read_results(file) if file.exists() else Results("benchmarks.gpu", {}, {})
        driven = Driver(file, earlier, budget_s, lambda line: None, lambda: sections.now_s)
        names = ("device", "steps", "server")
        driven.run([Run(Section(name, 60, 5, "about"), SETTINGS) for name in names])
        return read_results(file)

    return run


def statuses(results: Results) -> dict[object, str]:
    return {each.case["name"]: each.status for each in results.of("sections")}


def test_driver_keeps_results_of_every_section(
    sections: Sections, drive: Callable[..., Results]
) -> None:
    sections.outcomes["steps"] = ([STEP], 0)
    results = drive()
    assert sections.ran == [("device", 60), ("steps", 60), ("server", 60)]
    assert statuses(results) == {"device": "ok", "steps": "ok", "server": "ok"}
    assert results.of("steps") == [STEP]
    assert all(each.metrics == {"seconds": 10} for each in results.of("sections"))


@pytest.mark.parametrize(
    ("code", "status", "message"),
    [(None, "timeout", "stopped after 60 s"), (-9, "failed", "ended with -9")],
)
def test_partial_results_of_a_broken_section_stay(
    sections: Sections,
    drive: Callable[..., Results],
    code: int | None,
    status: str,
    message: str,
) -> None:
    sections.outcomes["steps"] = ([STEP], code)
    results = drive()
    (broken,) = [each for each in results.of("sections") if each.case["name"] == "steps"]
    assert (broken.status, broken.message) == (status, message)
    assert results.of("steps") == [STEP]
    assert statuses(results)["server"] == "ok"
    assert broken.details.get("log", ["line 39"])[-1] == "line 39"


def test_failed_result_fails_its_section(sections: Sections, drive: Callable[..., Results]) -> None:
    wrong = Result("correctness", {"part": "coarse"}, status="failed", message="differs")
    sections.outcomes["steps"] = ([STEP, wrong], 0)
    (section,) = [each for each in drive().of("sections") if each.case["name"] == "steps"]
    assert (section.status, section.message) == ("failed", "differs")


def test_second_run_continues(sections: Sections, drive: Callable[..., Results]) -> None:
    sections.outcomes["steps"] = ([], 1)
    first = drive(budget_s=22)  # 2 s are left for the last section
    assert statuses(first) == {"device": "ok", "steps": "failed", "server": "skipped"}
    assert sections.ran == [("device", 22), ("steps", 12)]
    sections.outcomes["steps"] = ([STEP], 0)
    sections.ran.clear()
    second = drive()
    assert statuses(second) == {"device": "ok", "steps": "ok", "server": "ok"}
    assert [name for name, _ in sections.ran] == ["steps", "server"]


def test_process_reports_its_exit_status(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "print('hello'); raise SystemExit(3)"]
    assert run_process(command, tmp_path / "log", 60) == 3
    assert (tmp_path / "log").read_text() == "hello\n"


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")
def test_process_past_its_limit_ends_with_its_children(tmp_path: Path) -> None:
    command = ["sh", "-c", "sleep 600 & echo $!; wait"]
    assert run_process(command, tmp_path / "log", 1) is None
    child = Path("/proc") / (tmp_path / "log").read_text().strip() / "stat"
    deadline = time.monotonic() + 30
    while child.exists() and child.read_text().split(") ")[1][0] != "Z":
        assert time.monotonic() < deadline, "the child still runs"
        time.sleep(0.01)
