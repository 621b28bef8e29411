"""Profile this machine for `barkclient plan`, and compare measured loads with simulated ones.

    python -m benchmarks.plan profile --out profile.json      # --checkpoint, --device
    python -m benchmarks.plan check --out benchmarks/results/plan-cpu.json      # profiles first
    python -m benchmarks.plan check --waiting                 # models that only sleep

`check` runs three loads and prints measured and simulated values next to each other.
"""

import argparse
import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path

from barkclient.bench.level import Level
from barkclient.bench.results import Result, Results
from barkserve.checkpoint.folder import bundled_checkpoint
from barkserve.constants import STAGES
from barkserve.simulation.profile import Profile, to_results
from barkserve.simulation.run import Simulated
from barkserve.simulation.workload import ALL_LONG, Voices
from benchmarks.overload.system import slow_system
from benchmarks.plan.measured import STREAMS, MeasuredLoad, measure
from benchmarks.plan.profiling import ALONE, profile_stages, simulate, with_host
from benchmarks.plan.waiting import waiting_profile
from benchmarks.report import machine
from benchmarks.scaling.clients import TEXT
from benchmarks.scaling.slow_model import write_checkpoint
from benchmarks.up.__main__ import server

LEVELS = (
    Level("closed", 2, count=STREAMS),
    Level("open", 0.4, count=STREAMS),
    Level("closed", 4, count=STREAMS),
)
WITHIN = 0.15


async def measure_server(
    checkpoint: Path, device: str, name: str, levels: Sequence[Level]
) -> tuple[Profile, list[MeasuredLoad]]:
    """Measure the stages alone, and then loads of the whole server."""
    stages = await profile_stages(checkpoint, device, name)
    flags = [f"--device={device}", "--admission=count"]
    async with server(checkpoint, flags) as address:
        return stages, [await measure(address, each) for each in levels]


async def measure_waiting(levels: Sequence[Level]) -> tuple[Profile, list[MeasuredLoad]]:
    """Measure loads of models that only sleep, which other programs hardly slow down."""
    with tempfile.TemporaryDirectory() as folder:
        write_checkpoint(Path(folder) / "profile")
        known = waiting_profile(Path(folder) / "profile")
        async with slow_system(Path(folder), "--admission=count") as system:
            return known, [await measure(system.address, each, [TEXT]) for each in levels]


def _compared(profiled: Profile, measured: MeasuredLoad, voices: Voices) -> Result:
    simulated = simulate(profiled, measured.level, voices)
    metrics: dict[str, float | None] = {}
    for name, ours, theirs in _pairs(measured, simulated, profiled):
        metrics[f"measured_{name}"], metrics[f"simulated_{name}"] = ours, theirs
    case = {"loop": measured.level.loop, "load": measured.level.load}
    return Result("plan", case, metrics)


def _pairs(
    measured: MeasuredLoad, simulated: Simulated, profiled: Profile
) -> Sequence[tuple[str, float | None, float | None]]:
    ours, theirs = measured.summary, simulated.summary
    cores = simulated.cores_share * profiled.shared_cores
    pairs = [
        ("ttfa_p50_ms", ours.ttfa_ms.p50, theirs.ttfa_ms.p50),
        ("rtf_p50", ours.rtf.p50, theirs.rtf.p50),
        ("audio_per_s", ours.audio_per_s, theirs.audio_per_s),
        ("goodput_audio_per_s", ours.goodput_audio_per_s, theirs.goodput_audio_per_s),
        ("c100_share", ours.c100_share, theirs.c100_share),
    ]
    return [*pairs, ("cores", measured.cores, cores)] if profiled.shared_cores else pairs


def table(results: Sequence[Result]) -> str:
    """Render measured and simulated values, and their ratio."""
    lines = [f"{'load':<16} {'figure':<22} {'measured':>10} {'simulated':>10} {'difference':>11}"]
    for result in results:
        load = f"{result.case['loop']} {result.case['load']:g}"
        for name in result.metrics:
            if name.startswith("measured_"):
                figure = name.removeprefix("measured_")
                lines.append(f"{load:<16} {_row(figure, result)}")
    return "\n".join(lines)


def _row(figure: str, result: Result) -> str:
    ours, theirs = (result.metrics[f"{who}_{figure}"] for who in ("measured", "simulated"))
    if not isinstance(ours, float | int) or not isinstance(theirs, float | int):
        return f"{figure:<22} {'-':>10} {'-':>10}"
    apart = theirs - ours if figure == "c100_share" else (theirs - ours) / ours if ours else theirs
    mark = "" if abs(apart) <= WITHIN else "  above 15 %"
    return f"{figure:<22} {ours:>10.3f} {theirs:>10.3f} {apart:>+11.1%}{mark}"


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=("profile", "check"))
    parser.add_argument("--checkpoint", type=Path, default=bundled_checkpoint())
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--name", help="of the profile")
    parser.add_argument("--waiting", action="store_true", help="models that only sleep")
    parser.add_argument("--out", type=Path, help="JSON file")
    arguments = parser.parse_args()
    name = arguments.name or f"{arguments.checkpoint.name} on {arguments.device}"
    levels = (ALONE,) if arguments.command == "profile" else (ALONE, *LEVELS)
    if arguments.waiting:
        voices, measuring = Voices({0: 1.0}), measure_waiting(levels)
    else:
        checkpoint, device = arguments.checkpoint, arguments.device
        voices, measuring = ALL_LONG, measure_server(checkpoint, device, name, levels)
    stages, (alone, *loads) = asyncio.run(measuring)
    profiled = with_host(stages, alone, voices)
    results = [_compared(profiled, each, voices) for each in loads]
    if arguments.out is not None:
        file: Results = to_results(profiled, machine(), "benchmarks.plan")
        file.with_results(results).write(arguments.out)
    for stage in STAGES:
        times = profiled.stages[stage]
        prompts = "" if times.prompts is None else f", prompts {times.prompts.to_ms()} ms"
        print(f"{stage}: {times.steps.to_ms()} ms{prompts}")
    print(f"hop {1000 * profiled.hop_s:.1f} ms")
    if results:
        print(table(results))


if __name__ == "__main__":
    main()
