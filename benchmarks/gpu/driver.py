"""Runs sections in processes of their own, each with a time limit, and keeps every result."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from barkclient.bench.results import Result, Results, Status
from benchmarks.gpu.sections import Section
from benchmarks.gpu.settings import Settings

SECTIONS = "sections"
_GRACE_S = 10.0  # from the request to stop until the kill
_LOG_LINES = 15
_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Run:
    """A section to run with these settings."""

    section: Section
    settings: Settings

    @property
    def case(self) -> dict[str, str]:
        """What identifies it in the results."""
        return {**self.settings.case, "name": self.section.name}

    @property
    def limit_s(self) -> float:
        """The time that it may take. On a CPU only the budget limits it."""
        return float("inf") if self.settings.device == "cpu" else self.section.limit_s


class Driver:
    """Runs sections until the time is used up, and writes the file after each.

    Args:
        file: the results file.
        results: the earlier results; complete sections of it are not run again.
        budget_s: the time for all sections.
        say: prints a line of progress.
        clock: returns the time in seconds.
    """

    def __init__(
        self,
        file: Path,
        results: Results,
        budget_s: float,
        say: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.results = results
        self._file = file
        self._say = say
        self._clock = clock
        self._ends_at = clock() + budget_s

    def run(self, runs: Sequence[Run]) -> None:
        """Run what is not complete yet."""
        for run in runs:
            name = " ".join(run.case.values())
            if self._is_complete(run):
                self._say(f"{name}: complete since an earlier run")
                continue
            left_s = self._ends_at - self._clock()
            if left_s < run.section.least_s:
                self._say(f"{name}: not begun, {left_s:.0f} s are left of the budget")
                message = "the budget was used up; the same command continues"
                self._keep([Result(SECTIONS, run.case, status="skipped", message=message)])
                continue
            self._say(f"{name}: {run.section.about} ...")
            self._keep(self._measured(run, min(left_s, run.limit_s)))

    def _is_complete(self, run: Run) -> bool:
        earlier = [each for each in self.results.of(SECTIONS) if dict(each.case) == run.case]
        return any(each.status == "ok" for each in earlier)

    def _measured(self, run: Run, limit_s: float) -> list[Result]:
        started = self._clock()
        with tempfile.TemporaryDirectory() as folder:
            file, log = Path(folder) / "results", Path(folder) / "log"
            command = [sys.executable, "-W", "ignore", "-m", "benchmarks.gpu.section"]
            command += [run.section.name, run.settings.to_json(), str(file)]
            code = run_process(command, log, limit_s)
            lines = file.read_text("utf-8").splitlines() if file.exists() else []
            tail = log.read_text("utf-8", "replace").splitlines()[-_LOG_LINES:]
        seconds = self._clock() - started
        results = [Result(**json.loads(line)) for line in lines]
        status, message = _outcome(code, limit_s, results)
        for result in results:
            self._say(f"  {describe(result)}")
        self._say(f"  {len(results)} results in {seconds:.1f} s{message and ': ' + message}")
        details = {"log": tail} if code else {}
        metrics = {"seconds": seconds}
        return [*results, Result(SECTIONS, run.case, metrics, status, message, details)]

    def _keep(self, results: Sequence[Result]) -> None:
        self.results = self.results.with_results(results)
        self.results.write(self._file)


def describe(result: Result) -> str:
    """Describe a result in one line, for machines of which only the output is kept."""
    case = " ".join(f"{value}" for value in result.case.values() if value is not None)
    metrics = "  ".join(f"{name} {_short(value)}" for name, value in result.metrics.items())
    return f"{result.section} {case}: {metrics} {'' if result.status == 'ok' else result.status}"


def _short(value: object) -> str:
    if isinstance(value, Mapping):
        return "/".join(_short(value[name]) for name in ("p50", "p95", "p99"))
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def run_process(command: Sequence[str], log: Path, limit_s: float) -> int | None:
    """Run a command and all processes that it starts.

    Returns:
        Its exit status, None if it ran past the limit.
    """
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, cwd=_ROOT, start_new_session=True
        )
        try:
            return process.wait(limit_s)
        except subprocess.TimeoutExpired:
            return None
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the process group, if it is still there; politely first, so that services can stop."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(_GRACE_S)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            pass


def _outcome(code: int | None, limit_s: float, results: Sequence[Result]) -> tuple[Status, str]:
    if code is None:
        return "timeout", f"stopped after {limit_s:.0f} s"
    if code != 0:
        return "failed", f"ended with {code}"
    failed = [result.message for result in results if result.status == "failed"]
    return ("failed", "; ".join(dict.fromkeys(failed))) if failed else ("ok", "")
