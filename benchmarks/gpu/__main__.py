"""Measure barkserve and transformers on one card.

    python -m benchmarks.gpu --budget 300 --out benchmarks/results/gpu.json
    python -m benchmarks.gpu --device cpu --tiny        # try the program without a GPU

Correctness comes first, then speed. Sections run one after the other, each in a process of its own.
The file is written after each; the same command continues where the last one stopped. At the end a
page and a plot are written beside the file.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from barkclient.bench.results import Results, read_results
from benchmarks.gpu.driver import SECTIONS as SECTION_RUNS
from benchmarks.gpu.driver import Driver, Run
from benchmarks.gpu.page import write_page
from benchmarks.gpu.sections import SECTIONS, section_named
from benchmarks.gpu.settings import Settings
from benchmarks.report import SHAPES, machine

BAD = ("failed", "timeout")
_NAMES = [section.name for section in SECTIONS]


def main() -> None:
    """Run the sections from the command line."""
    given = _parse()
    results = Results("benchmarks.gpu", machine(), _method(given))
    if given.out.exists() and not given.fresh:
        results = Results(
            results.tool, results.machine, results.method, read_results(given.out).results
        )
    driver = Driver(given.out, results, given.budget, _say)
    driver.run(_runs(given))
    _say(f"wrote {given.out}, {write_page(driver.results, given.out)}")
    failed = [each for each in driver.results.of(SECTION_RUNS) if each.status in BAD]
    sys.exit(bool(failed))


def _runs(given: argparse.Namespace) -> list[Run]:
    """Return all sections of the first shape, then those of the next."""
    shapes = ["tiny"] if given.tiny else given.shapes
    return [
        Run(section_named(name), _settings(given, shape))
        for shape in shapes
        for name in _NAMES
        if name in given.only and (name != "tune" or shape == shapes[0])  # it tunes all shapes
    ]


def _settings(given: argparse.Namespace, shape: str) -> Settings:
    options = dict(option.split("=", 1) for option in given.option)
    return Settings(given.device, shape, str(given.work.resolve()), given.tiny, options)


def _method(given: argparse.Namespace) -> dict[str, object]:
    return {"device": given.device, "tiny": given.tiny, "options": given.option}


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cuda", help="cuda, cuda:N, mps or cpu")
    parser.add_argument("--budget", type=float, default=300.0, help="seconds for all sections")
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=list(SHAPES))
    parser.add_argument("--only", nargs="+", choices=_NAMES, default=_NAMES)
    parser.add_argument("--option", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--tiny", action="store_true", help="small models and little work")
    parser.add_argument("--fresh", action="store_true", help="forget earlier results")
    parser.add_argument("--out", type=Path, default=Path("build/bench-gpu/results.json"))
    parser.add_argument(
        "--work",
        type=Path,
        default=Path(tempfile.gettempdir()) / "barkserve-bench",
        help="folder that keeps the random checkpoints (4 GB for both shapes)",
    )
    return parser.parse_args()


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
