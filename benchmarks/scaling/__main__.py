"""Measure autoscaling while the load rises from one client to twenty and falls again.

    python -m benchmarks.scaling --out benchmarks/results/scaling --plot docs/scaling.png

Real: autoscaler, orchestrator, stage processes (server, engine, load reports, drain), discovery.
Simulated: models that only sleep, the API server, KEDA and the HPA (their arithmetic, sped up).
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
from benchmarks.scaling.clients import ClientPool
from benchmarks.scaling.cluster import Cluster
from benchmarks.scaling.plot import draw
from benchmarks.scaling.slow_model import COSTS, write_checkpoint

SCHEDULE = ((0, 1), (8, 1), (58, 20), (88, 20), (125, 1), (135, 1), (136, 0))
"""(seconds, clients), linear in between."""

AFTERWARDS_S = 24.0  # time to scale down to zero
SAMPLE_S = 0.5


@dataclass(frozen=True)
class Snapshot:
    """Load and replicas at one time."""

    at_s: float
    clients: int
    streams: int
    replicas: dict[str, int]


def wanted(at_s: float) -> int:
    """Return the number of clients at a time of the schedule."""
    for (begin, low), (end, high) in pairwise(SCHEDULE):
        if begin <= at_s <= end:
            return round(low + (high - low) * (at_s - begin) / (end - begin))
    return 0


async def run(folder: Path) -> dict[str, object]:
    """Run the schedule once and return all measurements."""
    write_checkpoint(folder / "slow")
    cluster = Cluster(folder, folder / "slow")
    orchestrator, autoscaler = await cluster.start()
    scaling = asyncio.create_task(cluster.scale(autoscaler))
    began = time.monotonic()
    clients = ClientPool(orchestrator, lambda: time.monotonic() - began)
    snapshots = []
    while (now := time.monotonic() - began) < SCHEDULE[-1][0] + AFTERWARDS_S:
        if scaling.done():
            scaling.result()
        clients.resize(wanted(now))
        replicas: dict[str, int] = {stage: cluster.count(stage) for stage in STAGES}
        snapshots.append(Snapshot(now, wanted(now), clients.streams, replicas))
        await asyncio.sleep(SAMPLE_S)
    await clients.close()
    scaling.cancel()
    with suppress(asyncio.CancelledError):
        await scaling
    await cluster.stop()
    return {
        "costs": COSTS,
        "snapshots": [asdict(snapshot) for snapshot in snapshots],
        "utterances": [asdict(utterance) for utterance in clients.utterances],
        "exit_codes": sorted(cluster.exit_codes),
    }


def summary(result: dict[str, object]) -> str:
    """Return the run in a few lines of text."""
    utterances: list[dict[str, float]] = result["utterances"]  # type: ignore[assignment]
    snapshots: list[dict[str, dict[str, int]]] = result["snapshots"]  # type: ignore[assignment]
    peak = {stage: max(each["replicas"][stage] for each in snapshots) for stage in STAGES}
    failed = [each["failure"] for each in utterances if each["failure"]]
    ttfa = sorted(each["ttfa_s"] for each in utterances)
    within_100, within_500 = (
        sum(each["underrun_s"] <= most for each in utterances) / len(utterances)
        for most in (0.1, 0.5)
    )
    codes = result["exit_codes"]
    return "\n".join(
        [
            f"{len(utterances)} utterances, {len(failed)} failed {failed[:3]}",
            f"TTFA p50 {ttfa[len(ttfa) // 2]:.2f} s, p95 {ttfa[int(len(ttfa) * 0.95)]:.2f} s",
            f"{within_100:.1%} with at most 100 ms of underrun,"
            f" {within_500:.1%} with at most 500 ms",
            f"most replicas: {peak}; at the end: {snapshots[-1]['replicas']}",
            f"exit codes of drained replicas: {codes}",
        ]
    )


def main() -> None:
    """Run the benchmark from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="JSON file, without its extension")
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
