"""Simulate how the autoscaler follows changing load, for several settings of it.

    python -m benchmarks.plan.study --out autoscaling.json --plot docs/autoscaling.png

The models are those of `benchmarks.scaling`, which only sleep: a stream needs about a third of a
coarse replica, so that a small load needs many replicas.
"""

import argparse
import logging
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from barkclient.bench.results import Result, Results
from barkserve.config.admission import AdmissionOptions
from barkserve.constants import STAGES, StageName
from barkserve.simulation.cluster import Scaling, slower, zone_lost
from barkserve.simulation.hpa import ScalingBehavior
from barkserve.simulation.profile import Profile
from barkserve.simulation.scenario import Outcome, Scenario, simulate_scenario
from barkserve.simulation.system import Deployment
from barkserve.simulation.workload import Utterances, Voices, burst, constant, diurnal
from benchmarks.plan.waiting import waiting_profile
from benchmarks.report import machine
from benchmarks.scaling.slow_model import write_checkpoint

DAY_S = 900.0
"""A day, 96 times as fast, so that its slopes are harder to follow."""

_ZONES = 3
_COLORS: Mapping[StageName, str] = {"coarse": "#e45756", "fine": "#54a24b"}
_START: Mapping[StageName, int] = {"semantic": 3, "coarse": 3, "fine": 3, "codec": 3}


@dataclass(frozen=True)
class Setting:
    """One setting of the cluster's autoscaling."""

    name: str
    scaling: Scaling


def settings() -> Iterator[Setting]:
    """Yield the defaults, and changes of one setting each."""
    usual = Scaling(least=2)
    behavior = ScalingBehavior()
    yield Setting("defaults", usual)
    for share in (0.5, 0.6, 0.8):
        yield Setting(f"target utilization {share:g}", replace(usual, target_utilization=share))
    yield Setting("replica starts in 180 s", replace(usual, startup_s=180.0))
    quick = replace(behavior, down_pods=100.0, stabilization_s=60.0)
    yield Setting("scales down after 60 s", replace(usual, behavior=quick))


def scenarios() -> Iterator[Scenario]:
    """Yield the loads and faults. A stream lasts 4 s."""
    yield Scenario("day", diurnal(1.5, DAY_S), 1.5, DAY_S)
    yield Scenario("burst 10x", burst(0.2, 10.0, 60.0, 30.0, 180.0), 2.0, 480.0)
    yield Scenario("coarse 3x slower", constant(0.6), 0.6, 360.0, [(120.0, slower("coarse", 3.0))])
    yield Scenario("zone lost", constant(0.8), 0.8, 360.0, [(120.0, zone_lost(0))])


def simulate(profile: Profile, setting: Setting, scenario: Scenario) -> Outcome:
    """Simulate one case."""
    replicas = {stage: _START[stage] for stage in STAGES}
    options = AdmissionOptions()
    deployment = Deployment(replicas, 1000, _ZONES, options, seed=1)
    utterances = Utterances(profile.audio_s, Voices({0: 1.0}), 1)
    return simulate_scenario(profile, deployment, setting.scaling, scenario, utterances)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--only", default="", help="settings whose name contains this")
    arguments = parser.parse_args()
    logging.disable(logging.WARNING)  # replicas that hang
    with tempfile.TemporaryDirectory() as folder:
        write_checkpoint(Path(folder) / "checkpoint")
        profile = replace(
            waiting_profile(Path(folder) / "checkpoint"), hop_s=0.002, interruptible=False
        )
    results, defaults = list[Result](), dict[str, Outcome]()
    for setting in settings():
        if arguments.only not in setting.name:
            continue
        for scenario in scenarios():
            outcome = simulate(profile, setting, scenario)
            defaults.setdefault(scenario.name, outcome)
            print(_line(setting, scenario, outcome), flush=True)
            figures = {name: float(str(value)) for name, value in outcome.to_dict().items()}
            case = {"setting": setting.name, "scenario": scenario.name}
            results.append(Result("autoscaling", case, figures))
    tool = "benchmarks.plan.study"
    if arguments.out is not None:
        Results(tool, machine(), {}).with_results(results).write(arguments.out)
    if arguments.plot is not None:
        draw(defaults, arguments.plot)


def _line(setting: Setting, scenario: Scenario, outcome: Outcome) -> str:
    return (
        f"| {setting.name} | {scenario.name} | {outcome.streams} | {outcome.refused} | "
        f"{outcome.c100_share:.1%} | {outcome.ttfa_p95_s:.1f} s | "
        f"{outcome.replica_hours / outcome.oracle_replica_hours:.2f} |"
    )


def draw(outcomes: Mapping[str, Outcome], path: Path) -> None:
    """Plot streams, replicas and refusals over time, a column for each scenario."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 6), layout="constrained")
    panels = figure.subplots(2, len(outcomes), squeeze=False, sharex="col")
    for column, (name, outcome) in enumerate(outcomes.items()):
        load, pods = panels[0][column], panels[1][column]
        times = [each.at_s / 60 for each in outcome.samples]
        load.plot(times, [each.streams for each in outcome.samples], "k-", label="streams")
        refused = [at / 60 for at in outcome.refused_at_s]
        load.plot(refused, [0.0] * len(refused), "r|", label=f"{outcome.refused} refused")
        load.set_title(f"{name}: C100 {outcome.c100_share:.1%}", fontsize="medium")
        for stage, color in _COLORS.items():
            ours = [each.pods[stage] for each in outcome.samples]
            oracle = [each.oracle[stage] for each in outcome.samples]
            pods.step(times, ours, where="post", color=color, label=stage)
            pods.step(times, oracle, where="post", color=color, ls=":", label=f"{stage}, oracle")
        pods.set_xlabel("minutes")
        for axes in (load, pods):
            axes.grid(alpha=0.3)
            axes.set_ylim(bottom=0)
            axes.legend(fontsize="x-small", loc="upper right")
    panels[0][0].set_ylabel("streams")
    panels[1][0].set_ylabel("replicas")
    figure.savefig(path, dpi=90)


if __name__ == "__main__":
    main()
