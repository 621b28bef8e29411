"""Load rises from one listener to twenty and falls again, and the stages follow.

    python -m benchmarks.scaling --out benchmarks/results/scaling --plot docs/scaling.png

Real: autoscaler, orchestrator, stage processes (server, engine, load reports, drain), discovery.
Stand-ins: networks that only sleep, the API server, KEDA and the HPA (their arithmetic, sped up).
"""

import argparse
import asyncio
import json
import tempfile
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

from barkserve.constants import STAGES
from benchmarks.scaling.cluster import Cluster
from benchmarks.scaling.listeners import Audience
from benchmarks.scaling.plot import draw
from benchmarks.scaling.slow_model import COSTS, write_checkpoint

SCHEDULE = ((0, 1), (8, 1), (58, 20), (88, 20), (125, 1), (135, 1), (136, 0))
"""(seconds, listeners), straight lines between."""

AFTERWARDS_S = 24.0  # for everything to go down to zero
SAMPLE_S = 0.5


@dataclass(frozen=True)
class Moment:
    """What there was at one time."""

    at_s: float
    listeners: int
    streams: int
    replicas: dict[str, int]


def wanted(at_s: float) -> int:
    """Listeners at a time of the schedule."""
    for (begin, low), (end, high) in pairwise(SCHEDULE):
        if begin <= at_s <= end:
            return round(low + (high - low) * (at_s - begin) / (end - begin))
    return 0


async def run(folder: Path) -> dict[str, object]:
    """Play it once; returns everything that was seen."""
    write_checkpoint(folder / "slow")
    cluster = Cluster(folder, folder / "slow")
    orchestrator, autoscaler = await cluster.start()
    scaling = asyncio.create_task(cluster.scale(autoscaler))
    began = time.monotonic()
    audience = Audience(orchestrator, lambda: time.monotonic() - began)
    moments = []
    while (now := time.monotonic() - began) < SCHEDULE[-1][0] + AFTERWARDS_S:
        if scaling.done():
            scaling.result()
        audience.want(wanted(now))
        replicas: dict[str, int] = {stage: cluster.count(stage) for stage in STAGES}
        moments.append(Moment(now, wanted(now), audience.speaking, replicas))
        await asyncio.sleep(SAMPLE_S)
    await audience.leave()
    scaling.cancel()
    with suppress(asyncio.CancelledError):
        await scaling
    await cluster.stop()
    return {
        "costs": COSTS,
        "moments": [asdict(moment) for moment in moments],
        "heard": [asdict(heard) for heard in audience.heard],
        "exit_codes": sorted(cluster.exit_codes),
    }


def summary(result: dict[str, object]) -> str:
    """The run in a few lines."""
    heard: list[dict[str, float]] = result["heard"]  # type: ignore[assignment]
    moments: list[dict[str, dict[str, int]]] = result["moments"]  # type: ignore[assignment]
    peak = {stage: max(moment["replicas"][stage] for moment in moments) for stage in STAGES}
    failed = [each["failure"] for each in heard if each["failure"]]
    ttfa = sorted(each["ttfa_s"] for each in heard)
    free, nearly = (
        sum(each["underrun_s"] <= most for each in heard) / len(heard) for most in (0.1, 0.5)
    )
    codes = result["exit_codes"]
    return "\n".join(
        [
            f"{len(heard)} utterances, {len(failed)} failed {failed[:3]}",
            f"TTFA p50 {ttfa[len(ttfa) // 2]:.2f} s, p95 {ttfa[int(len(ttfa) * 0.95)]:.2f} s",
            f"{free:.1%} with at most 100 ms of underrun, {nearly:.1%} with at most 500 ms",
            f"most replicas: {peak}; at the end: {moments[-1]['replicas']}",
            f"exit codes of replicas that left: {codes}",
        ]
    )


def main() -> None:
    """Run, write JSON and plot, say how it went."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="JSON file without its ending")
    parser.add_argument("--plot", type=Path, help="PNG file")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = asyncio.run(run(Path(folder)))
    if arguments.out is not None:
        arguments.out.with_suffix(".json").write_text(json.dumps(result))
    if arguments.plot is not None:
        draw(result, arguments.plot)
    print(summary(result))


if __name__ == "__main__":
    main()
