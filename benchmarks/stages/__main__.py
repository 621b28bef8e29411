"""Compare barkserve with transformers: each stage, the whole chain, and many streams at once.

    python -m benchmarks.stages --shape small --out benchmarks/results/stages-cpu

Both run on one random checkpoint of Bark's real shapes, each in a process of its own. They take
turns (A B A B), which cancels drifts of the machine's speed. The ratio is the median of the
pairs' ratios. This measures stages without gRPC; `barkclient bench` measures a server.
"""

import argparse
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks.report import SHAPES, spec_of, write_report
from benchmarks.stages.plot import plot
from benchmarks.stages.worker import Part, Timing, Work, Worker
from fixtures.checkpoints import build_checkpoint

Row = dict[str, float]
ALONE: tuple[Part, ...] = ("semantic", "coarse", "fine", "codec", "chain")
PARTS = (*ALONE, "streams")
BATCHED = (1, 16)  # batch sizes that transformers runs


@dataclass(frozen=True)
class Case:
    """One row of the result: `streams` streams at once; `both` runs transformers too."""

    name: str
    work: Work
    streams: int = 1
    both: bool = True


def cases(folder: str, given: argparse.Namespace) -> Iterator[Case]:
    """Yield the rows that the command line selects."""
    for part in ALONE:
        if part in given.only:
            work = Work(folder, part, given.tokens, given.seconds, options=options_of(given))
            yield Case(_name(part, given), work)
    if "streams" in given.only:
        seconds = given.batched_tokens / 49.9
        for part in given.parts:
            for streams in given.streams:
                work = Work(
                    folder,
                    part,
                    given.batched_tokens,
                    seconds,
                    streams,
                    options=options_of(given),
                )
                name = f"{part}, {seconds:.1f} s of audio, {streams} streams"
                yield Case(name, work, streams, streams in BATCHED)


def options_of(given: argparse.Namespace) -> dict[str, str | int]:
    """Return the options of both sides."""
    return {"device": given.device, "dtype": given.dtype}


def _name(part: Part, given: argparse.Namespace) -> str:
    if part == "semantic":
        return f"semantic, {given.tokens} tokens"
    mode = {"coarse": ", no voice", "fine": ", EXACT", "chain": ", STREAMING"}.get(part, "")
    return f"{part}, {given.seconds:g} s of audio{mode}"


def measure(case: Case, pairs: int, warmups: int) -> Row:
    """Run both sides in turn and return the medians."""
    with ExitStack() as stack:
        transformers = (
            stack.enter_context(Worker("benchmarks.stages.transformers_runner", case.work))
            if case.both
            else None
        )
        barkserve = stack.enter_context(Worker("benchmarks.stages.barkserve_runner", case.work))
        transformers_runs: list[Timing] = []
        barkserve_runs: list[Timing] = []
        for side in [transformers, barkserve] * warmups:
            if side is not None:
                side.run(case.streams)
        for _ in range(pairs):
            if transformers is not None:
                transformers_runs.append(transformers.run(case.streams))
            barkserve_runs.append(barkserve.run(case.streams))
    row = {
        "streams": case.streams,
        "audio_s": round(case.work.seconds, 2),
        "barkserve_s": _median(barkserve_runs, lambda run: run.seconds),
        "barkserve_first_s": _median(barkserve_runs, lambda run: run.first_s),
        "barkserve_mb": round(barkserve_runs[-1].resident_mb),
        "barkserve_peak_mb": round(barkserve_runs[-1].peak_mb),
        "barkserve_cpu_s": _median(barkserve_runs, lambda run: run.cpu_s),
    }
    if transformers_runs:
        ratios = [
            a.seconds / b.seconds for a, b in zip(transformers_runs, barkserve_runs, strict=True)
        ]
        first = [
            a.seconds / b.first_s for a, b in zip(transformers_runs, barkserve_runs, strict=True)
        ]
        row |= {
            "transformers_s": _median(transformers_runs, lambda run: run.seconds),
            "transformers_mb": round(transformers_runs[-1].resident_mb),
            "transformers_peak_mb": round(transformers_runs[-1].peak_mb),
            "ratio": round(statistics.median(ratios), 2),
            "ratio_min": round(min(ratios), 2),
            "ratio_max": round(max(ratios), 2),
            "ratio_of_first": round(statistics.median(first), 2),
        }
    return row


def _median(runs: list[Timing], value: Callable[[Timing], float]) -> float:
    return round(statistics.median(map(value, runs)), 3)


def main() -> None:
    """Run the benchmark from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", choices=SHAPES, default="small")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N")
    parser.add_argument("--dtype", default="float32", help="dtype of both sides")
    parser.add_argument("--pairs", type=int, default=1)
    parser.add_argument("--warmups", type=int, default=0, help="pairs of runs before measuring")
    parser.add_argument("--tokens", type=int, default=250, help="semantic tokens of one stream")
    parser.add_argument("--seconds", type=float, default=5.0, help="audio of one stream")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--parts", nargs="+", choices=ALONE, default=("semantic", "coarse"))
    parser.add_argument("--streams", nargs="+", type=int, default=(1, 4, 16))
    parser.add_argument(
        "--batched-tokens", type=int, default=50, help="semantic tokens of each of many streams"
    )
    parser.add_argument(
        "--checkpoint", type=Path, help="folder to keep the checkpoint in for later runs"
    )
    parser.add_argument("--out", type=Path, help="writes OUT.json and OUT.png")
    given = parser.parse_args()
    results: dict[str, Row] = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.checkpoint or Path(temporary)
        if not (folder / "config.json").exists():
            _log(f"building a random checkpoint of bark-{given.shape}'s shapes ...")
            build_checkpoint(folder, spec_of(given.shape))
        for case in cases(str(folder), given):
            results[case.name] = measure(case, given.pairs, given.warmups)
            _log(f"{case.name}: {results[case.name]}")
    out = given.out and given.out.with_suffix(".json")
    method = {"shape": given.shape, "pairs": given.pairs, **options_of(given)}
    all_results = write_report(out, "stages", method, results)
    if given.out:
        plot(all_results, given.out.with_suffix(".png"))


def _log(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
