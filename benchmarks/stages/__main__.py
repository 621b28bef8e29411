"""Each stage alone, all four as a chain, and many streams at once, ours beside transformers', on
one random checkpoint of Bark's real shapes.

    python -m benchmarks.stages --shape small --out benchmarks/results/stages-cpu

Each row of the result has a process for each side, which takes its turn A B A B, so that a machine
whose speed drifts is fair to both; its ratio is the median of the pairs' ratios. Knows no gRPC:
what a model costs is measured here, what a stream costs by `barkclient bench`.
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
from benchmarks.stages.worker import Part, Taken, Work, Worker
from fixtures.checkpoints import build_checkpoint

Row = dict[str, float]
ALONE: tuple[Part, ...] = ("semantic", "coarse", "fine", "codec", "chain")
PARTS = (*ALONE, "streams")
BATCHED = (1, 16)  # what transformers is asked for at once


@dataclass(frozen=True)
class Case:
    """One row: so many streams of one work at once; theirs too, or ours alone."""

    name: str
    work: Work
    streams: int = 1
    both: bool = True


def cases(folder: str, given: argparse.Namespace) -> Iterator[Case]:
    """All rows that were asked for."""
    for part in ALONE:
        if part in given.only:
            yield Case(_name(part, given), Work(folder, part, given.tokens, given.seconds))
    if "streams" in given.only:
        seconds = given.batched_tokens / 49.9
        for part in given.parts:
            for streams in given.streams:
                work = Work(folder, part, given.batched_tokens, seconds, streams)
                name = f"{part}, {seconds:.1f} s of audio, {streams} streams"
                yield Case(name, work, streams, streams in BATCHED)


def _name(part: Part, given: argparse.Namespace) -> str:
    if part == "semantic":
        return f"semantic, {given.tokens} tokens"
    how = {"coarse": ", no voice", "fine": ", EXACT", "chain": ", STREAMING"}.get(part, "")
    return f"{part}, {given.seconds:g} s of audio{how}"


def measure(case: Case, pairs: int, warmups: int) -> Row:
    """Both sides in turn."""
    with ExitStack() as stack:
        theirs = (
            stack.enter_context(Worker("benchmarks.stages.transformers_runner", case.work))
            if case.both
            else None
        )
        ours = stack.enter_context(Worker("benchmarks.stages.barkserve_runner", case.work))
        their_times: list[Taken] = []
        our_times: list[Taken] = []
        for side in [theirs, ours] * warmups:
            if side is not None:
                side.run(case.streams)
        for _ in range(pairs):
            if theirs is not None:
                their_times.append(theirs.run(case.streams))
            our_times.append(ours.run(case.streams))
    row = {
        "streams": case.streams,
        "audio_s": round(case.work.seconds, 2),
        "barkserve_s": _median(our_times, lambda taken: taken.seconds),
        "barkserve_first_s": _median(our_times, lambda taken: taken.first_s),
        "barkserve_mb": round(our_times[-1].resident_mb),
        "barkserve_peak_mb": round(our_times[-1].peak_mb),
    }
    if their_times:
        ratios = [a.seconds / b.seconds for a, b in zip(their_times, our_times, strict=True)]
        first = [a.seconds / b.first_s for a, b in zip(their_times, our_times, strict=True)]
        row |= {
            "transformers_s": _median(their_times, lambda taken: taken.seconds),
            "transformers_mb": round(their_times[-1].resident_mb),
            "transformers_peak_mb": round(their_times[-1].peak_mb),
            "ratio": round(statistics.median(ratios), 2),
            "ratio_min": round(min(ratios), 2),
            "ratio_max": round(max(ratios), 2),
            "ratio_of_first": round(statistics.median(first), 2),
        }
    return row


def _median(times: list[Taken], of: Callable[[Taken], float]) -> float:
    return round(statistics.median(map(of, times)), 3)


def main() -> None:
    """Build the checkpoint, measure, write, plot."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", choices=SHAPES, default="small")
    parser.add_argument("--pairs", type=int, default=1)
    parser.add_argument("--warmups", type=int, default=0, help="pairs that do not count")
    parser.add_argument("--tokens", type=int, default=250, help="semantic tokens of one stream")
    parser.add_argument("--seconds", type=float, default=5.0, help="audio of one stream")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--parts", nargs="+", choices=ALONE, default=("semantic", "coarse"))
    parser.add_argument("--streams", nargs="+", type=int, default=(1, 4, 16))
    parser.add_argument("--batched-tokens", type=int, default=50, help="of each of many streams")
    parser.add_argument("--checkpoint", type=Path, help="folder that keeps it for the next run")
    parser.add_argument("--out", type=Path, help="writes OUT.json and OUT.png")
    given = parser.parse_args()
    results: dict[str, Row] = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.checkpoint or Path(temporary)
        if not (folder / "config.json").exists():
            _say(f"building a random checkpoint of bark-{given.shape}'s shapes ...")
            build_checkpoint(folder, spec_of(given.shape))
        for case in cases(str(folder), given):
            results[case.name] = measure(case, given.pairs, given.warmups)
            _say(f"{case.name}: {results[case.name]}")
    out = given.out and given.out.with_suffix(".json")
    every = write_report(out, {"shape": given.shape, "results": results})
    if given.out:
        plot(every, given.out.with_suffix(".png"))


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
