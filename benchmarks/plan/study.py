"""Simulate how the autoscaler follows changing load, for several settings of it.

    python -m benchmarks.plan.study --out autoscaling.json --plot docs/autoscaling.png

Each case runs with several seeds of the arrivals, because the loads are small: the table has the
mean and, in parentheses, the least and the largest value. The plot has the first seed. A setting
takes half a minute of CPU time for each seed.

The models are those of `benchmarks.scaling`, which only sleep: a stream needs about a third of a
coarse replica, so that a small load needs many replicas.
"""

import argparse
import logging
import statistics
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
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


def simulate(profile: Profile, setting: Setting, scenario: Scenario, seed: int) -> Outcome:
    """Simulate one case."""
    replicas = {stage: _START[stage] for stage in STAGES}
    options = AdmissionOptions()
    deployment = Deployment(replicas, 1000, _ZONES, options, seed)
    utterances = Utterances(profile.audio_s, Voices({0: 1.0}), seed)
    return simulate_scenario(profile, deployment, setting.scaling, scenario, utterances)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--only", default="", help="settings whose name contains this")
    parser.add_argument("--seeds", type=int, default=5, help="runs of each case")
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
            seeds = range(1, arguments.seeds + 1)
            outcomes = [simulate(profile, setting, scenario, seed) for seed in seeds]
            defaults.setdefault(scenario.name, outcomes[0])
            print(_line(setting, scenario, outcomes), flush=True)
            for seed, outcome in zip(seeds, outcomes, strict=True):
                results.append(_result(setting, scenario, seed, outcome))
    tool = "benchmarks.plan.study"
    if arguments.out is not None:
        Results(tool, machine(), {}).with_results(results).write(arguments.out)
    if arguments.plot is not None:
        draw(defaults, arguments.plot)


def _result(setting: Setting, scenario: Scenario, seed: int, outcome: Outcome) -> Result:
    case = {"setting": setting.name, "scenario": scenario.name, "seed": str(seed)}
    return Result("autoscaling", case, _figures(outcome))


def _figures(outcome: Outcome) -> dict[str, float | None]:
    """The figures of a case, and the most replicas of coarse, which has the most work."""
    figures: dict[str, float | None] = {
        name: float(str(value)) for name, value in outcome.to_dict().items()
    }
    figures["most_coarse"] = max(each.pods["coarse"] for each in outcome.samples)
    figures["oracle_most_coarse"] = max(each.oracle["coarse"] for each in outcome.samples)
    return figures


def _line(setting: Setting, scenario: Scenario, outcomes: Sequence[Outcome]) -> str:
    def over_seeds(figure: Callable[[Outcome], float], style: str) -> str:
        values = [figure(each) for each in outcomes]
        mean, least, most = statistics.mean(values), min(values), max(values)
        return f"{mean:{style}} ({least:{style}} to {most:{style}})"

    columns = (
        setting.name,
        scenario.name,
        over_seeds(lambda each: each.streams, ".0f"),
        over_seeds(lambda each: each.refused / each.streams, ".1%"),
        over_seeds(lambda each: each.c100_share, ".1%"),
        over_seeds(lambda each: each.replica_hours / each.oracle_replica_hours, ".2f"),
        over_seeds(lambda each: _figures(each)["most_coarse"] or 0.0, ".0f"),
    )
    return f"| {' | '.join(columns)} |"


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
