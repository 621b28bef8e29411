"""Print the simulated figures of `docs/sizing.md` for an NVIDIA H200.

    python -m benchmarks.plan.projection

The first table has all stages on one card, as the measured server had. The second one has a replica
on each card, in cells of several sizes: a plan simulates cells of at most MAX_CELL streams and
multiplies them. The second table takes several minutes.
"""

import argparse
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from barkclient.bench.level import Level
from barkserve.config.admission import AdmissionOptions
from barkserve.constants import STAGES
from barkserve.simulation.capacity import streams_per_replica
from barkserve.simulation.profile import Profile, read_profile
from barkserve.simulation.run import Simulated, simulate_level
from barkserve.simulation.sizing import MAX_CELL, Target, simulate_cell
from barkserve.simulation.system import Deployment
from barkserve.simulation.workload import ALL_LONG, Utterances

PROFILE = Path(__file__).parents[1] / "profiles" / "h200-bark-small.json"
UTTERANCE_S = 10.0
CARD_STREAMS = (1, 16, 64)


def one_card(profile: Profile, units: float, streams: int) -> Simulated:
    """Simulate streams that begin together, with all stages on one card.

    Args:
        profile: of a card for each replica.
        units: stages that run at full speed at once: 2 stands for MPS, with 1 they take turns.
        streams: number of streams.
    """
    shared = replace(profile, shared_cores=units, audio_s=[UTTERANCE_S])
    options = AdmissionOptions(admission="count")
    deployment = Deployment(dict.fromkeys(STAGES, 1), 2 * streams, options=options)
    utterances = Utterances(shared.audio_s, ALL_LONG, 0)
    return simulate_level(shared, deployment, utterances, Level("closed", streams, count=streams))


def _card_lines(profile: Profile) -> Iterator[str]:
    yield "streams, units: first audio, RTF"
    for streams in CARD_STREAMS:
        for units in (2.0, 1.0):
            summary = one_card(profile, units, streams).summary
            yield f"{streams}, {units:g}: {summary.ttfa_ms.p50:.0f} ms, {summary.rtf.p50:.2f}"


def _cell_lines(profile: Profile, sizes: list[int]) -> Iterator[str]:
    yield "streams of a cell: first audio p50 and p95, C100, refused, busy coarse, CPU time"
    target = Target(max(sizes))
    utterances = Utterances(profile.audio_s, target.voices, target.seed)
    each = streams_per_replica(profile, target.utilization, utterances.mean_s)
    for streams in sizes:
        began = time.process_time()
        cell = simulate_cell(profile, target, streams, each, utterances)
        ttfa_ms, cpu_s = cell.summary.ttfa_ms, time.process_time() - began
        yield (
            f"{streams}: {ttfa_ms.p50:.0f} ms, {ttfa_ms.p95:.0f} ms, "
            f"{cell.summary.c100_share:.2%}, {cell.refused_share:.2%}, "
            f"{cell.busy_share['coarse']:.1%}, {cpu_s:.0f} s"
        )


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profile", type=Path, default=PROFILE)
    parser.add_argument("--cells", type=int, nargs="*", default=[MAX_CELL, 1000, 4000])
    arguments = parser.parse_args()
    profile = read_profile(arguments.profile)
    for line in _card_lines(profile):
        print(line, flush=True)
    for line in _cell_lines(profile, arguments.cells):
        print(line, flush=True)


if __name__ == "__main__":
    main()
