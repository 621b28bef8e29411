"""Speak at twice the capacity for minutes, and check that memory stays flat.

    python -m tools.soak --minutes 30 --out build/soak

Runs five services with the bundled model, measures how much they can speak, and then calls twice as
often. Each minute prints the memory of every process, the streams and the event-loop delays. Exit
code 1 means that memory grew, an event loop stalled for more than 100 ms, or a stream failed.
"""

import argparse
import asyncio
import json
import sys
import time
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from barkserve.checkpoint.folder import bundled_checkpoint
from barkserve.constants import STAGES
from tools.chaos.cluster import ORCHESTRATOR, Cluster
from tools.soak.load import OpenLoad, measured_capacity
from tools.soak.sample import Sample, take
from tools.soak.verdict import judge

_OVERLOAD = 2.0
_SAMPLE_S = 5.0
_CALIBRATION_S = 30.0
_MEBIBYTE = 1 << 20


async def soak(minutes: float, seed: int, folder: Path) -> int:
    """Run the load and print the verdict. Returns the exit code."""
    checkpoint = (f"--checkpoint={bundled_checkpoint()}",)
    replicas = dict.fromkeys((*STAGES, ORCHESTRATOR), 1)
    async with Cluster(
        folder, replicas, stage_flags=checkpoint, orchestrator_flags=checkpoint
    ) as cluster:
        _say(f"measuring the capacity for {_CALIBRATION_S:.0f} s")
        capacity = await measured_capacity(cluster, seed, _CALIBRATION_S)
        _say(f"capacity {capacity:.2f} utterances/s; now {_OVERLOAD * capacity:.2f} calls/s")
        load = OpenLoad(cluster, seed, _OVERLOAD * capacity)
        calling = asyncio.create_task(load.run())
        samples = await _watch(cluster, load, minutes)
        calling.cancel()
        with suppress(asyncio.CancelledError):
            await calling
    verdicts = [judge(name, taken) for name, taken in samples.items()]
    report = {"minutes": minutes, "statuses": load.statuses, "failed": load.failed}
    report |= {"verdicts": [asdict(verdict) for verdict in verdicts]}
    (folder / "soak.json").write_text(json.dumps(report, indent=1))
    for verdict in verdicts:
        flat = "flat" if verdict.flat else "GROWS"
        again = ", RESTARTED" if verdict.restarted else ""
        _say(
            f"{verdict.name}: memory {flat} ({verdict.growth_bytes / _MEBIBYTE:+.1f} MiB),"
            f" {verdict.stalls} stalls above 100 ms{again}"
        )
    for status, message in load.failed.items():
        _say(f"{load.statuses[status]} streams failed with {status}, such as: {message}")
    holds = all(verdict.holds for verdict in verdicts) and not load.failed
    _say("PASSED" if holds else "FAILED")
    return 0 if holds else 1


async def _watch(cluster: Cluster, load: OpenLoad, minutes: float) -> dict[str, list[Sample]]:
    """Sample all processes until the time is over, and print a report each minute."""
    samples: dict[str, list[Sample]] = {replica.name: [] for replica in cluster.all}
    began = time.monotonic()
    reported = 0
    while (elapsed := time.monotonic() - began) < minutes * 60:
        taken = await asyncio.gather(*(take(replica) for replica in cluster.all))
        for replica, sample in zip(cluster.all, taken, strict=True):
            samples[replica.name].append(sample)
        if elapsed >= 60 * (reported + 1):
            reported += 1
            _say(_minute(reported, load, {name: each[-1] for name, each in samples.items()}))
        await asyncio.sleep(_SAMPLE_S)
    return samples


def _minute(number: int, load: OpenLoad, last: dict[str, Sample]) -> str:
    memory = ", ".join(f"{name} {each.rss_bytes / _MEBIBYTE:.0f}" for name, each in last.items())
    worst = max(last, key=lambda name: last[name].longest_lag_s)
    return (
        f"minute {number}: {load.accepted} spoken, {load.refused} refused,"
        f" {sum(load.statuses.values()) - load.accepted - load.refused} failed, {load.open} open;"
        f" MiB: {memory}; longest stall {last[worst].longest_lag_s * 1000:.0f} ms"
        f" ({worst}; {last[worst].longest_cpu_s * 1000:.0f} ms of CPU)"
    )


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m tools.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0, help="length of the load")
    parser.add_argument("--seed", type=int, default=1, help="fixes times and utterances")
    parser.add_argument("--out", type=Path, default=Path("build/soak"), help="folder of results")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    return asyncio.run(soak(options.minutes, options.seed, options.out.resolve()))


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
