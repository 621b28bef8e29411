"""The file format of all measurements, of `barkclient bench` and of the repository's benchmarks.

docs/measuring.md describes it.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

FORMAT = "barkserve-results/1"

Status = Literal["ok", "failed", "timeout", "skipped", "interrupted"]
Case = Mapping[str, str | int | float | bool | None]
Metrics = Mapping[str, float | Mapping[str, float | None] | None]

_DIGITS = 6  # after the decimal point: microseconds


class WrongResultsFormat(ValueError):
    """A file is not a results file of a version that this program reads."""


@dataclass(frozen=True)
class Result:
    """One measured case.

    Attributes:
        section: what was measured, such as "load" or "step".
        case: the parameters that tell this case from the others of its section.
        metrics: the measured numbers. The last part of a name is the unit: _ms, _s, _mb, _share
            (0 to 1), _per_s; names without a unit are counts or ratios. Percentiles are
            {"p50": ..., "p95": ..., "p99": ..., "max": ...}. None: not known.
        status: "ok" if the metrics are complete.
        message: why they are not.
        details: what a reader may need to explain the metrics. Its content is not fixed.
    """

    section: str
    case: Case
    metrics: Metrics = field(default_factory=dict)
    status: Status = "ok"
    message: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)

    def is_same_case(self, other: "Result") -> bool:
        """Whether the other result measured the same case."""
        return (self.section, dict(self.case)) == (other.section, dict(other.case))


@dataclass(frozen=True)
class Results:
    """The measurements of one machine.

    Attributes:
        tool: the program that measured.
        machine: processor, GPU, and versions of the programs.
        method: the settings. Two files can be compared if their methods are equal.
        results: the measured cases.
        ended_at: when the last case was measured, ISO 8601.
    """

    tool: str
    machine: Mapping[str, Any]
    method: Mapping[str, Any]
    results: Sequence[Result] = ()
    ended_at: str = ""

    def with_results(self, results: Iterable[Result]) -> "Results":
        """Return a copy with further results. They replace earlier ones of the same cases."""
        fresh = list(results)
        kept = [
            earlier
            for earlier in self.results
            if not any(earlier.is_same_case(result) for result in fresh)
        ]
        now = datetime.now(UTC).isoformat(timespec="seconds")
        return replace(self, results=[*kept, *fresh], ended_at=now)

    def of(self, section: str) -> Sequence[Result]:
        """Return the results of a section."""
        return [result for result in self.results if result.section == section]

    def to_json(self) -> str:
        """Render the file."""
        content = {"format": FORMAT, **asdict(self)}
        return json.dumps(_rounded(content), indent=2, ensure_ascii=False) + "\n"

    def write(self, path: Path) -> None:
        """Write the file, whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.new")
        temporary.write_text(self.to_json(), "utf-8")
        temporary.replace(path)


def parse_results(text: str) -> Results:
    """Parse a results file.

    Raises:
        WrongResultsFormat: the text is not one.
    """
    try:
        content = json.loads(text)
        if content.pop("format") != FORMAT:
            raise WrongResultsFormat(f"not a file of the format {FORMAT}")
        results = [Result(**result) for result in content.pop("results")]
        return Results(**content, results=results)
    except (AttributeError, KeyError, TypeError, json.JSONDecodeError) as error:
        raise WrongResultsFormat(f"not a file of the format {FORMAT}: {error!r}") from error


def read_results(path: Path) -> Results:
    """Read a results file.

    Raises:
        WrongResultsFormat: it is not one.
        OSError: it cannot be read.
    """
    return parse_results(path.read_text("utf-8"))


def _rounded(value: Any) -> Any:
    match value:
        case float():
            return round(value, _DIGITS)
        case Mapping():
            return {key: _rounded(entry) for key, entry in value.items()}
        case list() | tuple():
            return [_rounded(entry) for entry in value]
    return value
