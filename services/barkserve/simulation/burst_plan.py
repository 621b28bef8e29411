"""What a burst of ten times the load costs while the replicas of a deployment follow it."""

import math
from dataclasses import asdict, dataclass

from barkserve.config.admission import AdmissionOptions
from barkserve.constants import STAGES
from barkserve.simulation.capacity import streams_per_replica
from barkserve.simulation.cluster import Scaling
from barkserve.simulation.profile import Profile
from barkserve.simulation.scenario import Scenario, simulate_scenario
from barkserve.simulation.sizing import MAX_CELL, Target
from barkserve.simulation.system import Deployment
from barkserve.simulation.workload import Utterances, burst

FACTOR = 10.0
RISE_S = 30.0
_BEGIN_S, _HOLD_S, _AFTER_S = 60.0, 180.0, 60.0


@dataclass(frozen=True)
class BurstPlan:
    """The results of a burst.

    Attributes:
        simulated_streams: streams at the peak of the simulated part.
        refused_share: streams that were refused while replicas started.
        c100_share: clean streams among the accepted ones.
        refused_seconds: from the first refusal to the last.
        startup_s: time in which a replica gets ready.
    """

    simulated_streams: int
    refused_share: float
    c100_share: float
    refused_seconds: float
    startup_s: float

    def to_dict(self) -> dict[str, object]:
        """Return the figures for JSON."""
        return asdict(self)

    def sentence(self) -> str:
        """Return the figures in a sentence."""
        return (
            f"a burst from a tenth in {RISE_S:.0f} s: {self.refused_share:.1%} of the streams are "
            f"refused, for {self.refused_seconds:.0f} s, and C100 of the others is "
            f"{self.c100_share:.1%} (a replica starts in {self.startup_s:.0f} s)"
        )


def plan_burst(profile: Profile, target: Target, startup_s: float) -> BurstPlan:
    """Simulate a burst to the target's streams, or to those of a cell."""
    peak = min(target.streams, MAX_CELL)
    utterances = Utterances(profile.audio_s, target.voices, target.seed)
    base = peak / FACTOR / utterances.mean_s
    each = streams_per_replica(profile, target.utilization, utterances.mean_s)
    replicas = {stage: max(1, math.ceil(peak / FACTOR / each[stage])) for stage in STAGES}
    deployment = Deployment(
        replicas,
        4 * peak,
        max(1, target.zones),
        AdmissionOptions(assumed_streams=float(max(1, round(min(each.values()))))),
        target.seed,
    )
    scaling = Scaling(startup_s=startup_s, assumed_streams=min(each.values()))
    rate = burst(base, FACTOR, _BEGIN_S, RISE_S, _HOLD_S)
    duration_s = _BEGIN_S + 2 * RISE_S + _HOLD_S + _AFTER_S
    scenario = Scenario("burst", rate, base * FACTOR, duration_s)
    outcome = simulate_scenario(profile, deployment, scaling, scenario, utterances)
    refused_at = outcome.refused_at_s
    return BurstPlan(
        peak,
        outcome.refused / max(1, outcome.streams),
        outcome.c100_share,
        max(refused_at) - min(refused_at) if refused_at else 0.0,
        startup_s,
    )
