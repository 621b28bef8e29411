"""Sizes a deployment for a number of streams: replicas, GPUs, cost, and what listeners get."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from barkclient.bench.level import Level
from barkserve.config.admission import AdmissionOptions
from barkserve.config.autoscaler import AutoscalerOptions
from barkserve.config.orchestrator import OrchestratorOptions
from barkserve.constants import STAGES, StageName
from barkserve.simulation.capacity import streams_per_replica
from barkserve.simulation.profile import Profile
from barkserve.simulation.run import Simulated, simulate_level
from barkserve.simulation.system import Deployment
from barkserve.simulation.workload import ALL_LONG, Utterances, Voices, diurnal

MAX_CELL = 128
"""Most streams that are simulated. A larger deployment consists of equal cells."""

_LEAST_UTILIZATION = 0.3
_STEP = 0.05
_HOURS = 24


@dataclass(frozen=True)
class Target:
    """What the deployment must serve.

    Attributes:
        streams: that play at once, at the peak.
        c100_share: share of all streams that must be accepted and play clean.
        voices: the mix of voices.
        zones: over which replicas are spread. With more than one, a lost zone leaves enough.
        replicas_per_gpu: replicas of one stage on one GPU.
        gpu_cost_per_hour: in any currency; 0: unknown.
        utilization: share of a replica's time that streams may use, at most.
        seconds: of the simulation.
        seed: of the simulation.
    """

    streams: int
    c100_share: float = 0.99
    voices: Voices = ALL_LONG
    zones: int = 1
    replicas_per_gpu: int = 1
    gpu_cost_per_hour: float = 0.0
    utilization: float = AutoscalerOptions.target_utilization
    seconds: float = 30.0
    seed: int = 0


@dataclass(frozen=True)
class StageSize:
    """One stage of the plan.

    Attributes:
        replicas: that run at the peak.
        gpus: that they need.
        streams_per_replica: real-time streams that one replica serves at the utilization.
        busy_share: share of the time that a replica computes, simulated.
    """

    replicas: int
    gpus: int
    streams_per_replica: float
    busy_share: float


@dataclass(frozen=True)
class Size:
    """A plan.

    Attributes:
        profile: what it is made from.
        streams: that play at once, at the peak.
        stages: the replicas of each stage.
        orchestrators: processes with the default --max-streams.
        utilization: share of a replica's time that streams use.
        simulated_streams: those of the simulated cell.
        ttfa_p50_ms: time to first audio.
        ttfa_p95_ms: its 95th percentile.
        c100_share: streams that are accepted and play clean.
        refused_share: streams that are refused.
        first_saturated: the stage that limits.
        limit_streams: streams at which that stage computes all the time.
        gpus: of all stages.
        cost_per_speech_hour: of the GPUs, if all of them always run at the peak's load.
        cost_per_speech_hour_fixed_day: the same for a day with the load of `diurnal`.
        cost_per_speech_hour_scaled_day: the same, with replicas that follow the load.
        reached: whether the target is reached.
    """

    profile: str
    streams: int
    stages: Mapping[StageName, StageSize]
    orchestrators: int
    utilization: float
    simulated_streams: int
    ttfa_p50_ms: float
    ttfa_p95_ms: float
    c100_share: float
    refused_share: float
    first_saturated: str
    limit_streams: float
    gpus: int
    cost_per_speech_hour: float | None
    cost_per_speech_hour_fixed_day: float | None
    cost_per_speech_hour_scaled_day: float | None
    reached: bool

    def to_dict(self) -> dict[str, object]:
        """Return the plan for JSON."""
        return asdict(self)


def size(profile: Profile, target: Target) -> Size:
    """Plan a deployment. Lowers the utilization until the simulation reaches the target."""
    utterances = Utterances(profile.audio_s, target.voices, target.seed)
    share = target.utilization
    while True:
        each = streams_per_replica(profile, share, utterances.mean_s)
        cell = _cell(target, each)
        simulated = simulate_cell(profile, target, cell, each, utterances)
        reached = (simulated.summary.c100_share or 0.0) >= target.c100_share
        if reached or share - _STEP < _LEAST_UTILIZATION:
            return _size(profile, target, share, utterances.mean_s, cell, simulated, reached)
        share = round(share - _STEP, 6)


def simulate_cell(
    profile: Profile,
    target: Target,
    streams: int,
    per_replica: Mapping[StageName, float],
    utterances: Utterances,
) -> Simulated:
    """Simulate a part of the deployment in which as many streams play on average.

    Args:
        profile: the times of the models.
        target: seed and seconds of the simulation.
        streams: that play at once, on average.
        per_replica: streams that each replica should have.
        utterances: what they speak.
    """
    replicas = {stage: max(1, math.ceil(streams / per_replica[stage])) for stage in STAGES}
    options = AdmissionOptions(assumed_streams=float(2 * streams))
    deployment = Deployment(replicas, 4 * streams, options=options, seed=target.seed)
    discard_s = 2 * utterances.mean_s
    rate = streams / utterances.mean_s
    level = Level("open", rate, duration_s=discard_s + target.seconds)
    return simulate_level(
        profile,
        deployment,
        utterances,
        level,
        warm_up=0,
        discard_s=discard_s,
        seed=target.seed,
    )


def _cell(target: Target, per_replica: Mapping[StageName, float]) -> int:
    """Streams to simulate: so many that each stage has two well-filled replicas, if possible."""
    filled = math.ceil(2 * max(per_replica.values()))
    return max(1, min(target.streams, filled, MAX_CELL))


def _size(
    profile: Profile,
    target: Target,
    share: float,
    mean_s: float,
    cell: int,
    simulated: Simulated,
    reached: bool,
) -> Size:
    per_replica = streams_per_replica(profile, share, mean_s)
    full = streams_per_replica(profile, 1.0, mean_s)
    replicas = replicas_for(target.streams, per_replica, target.zones)
    stages: dict[StageName, StageSize] = {
        stage: StageSize(
            replicas[stage],
            math.ceil(replicas[stage] / target.replicas_per_gpu),
            round(per_replica[stage], 1),
            round(simulated.busy_share[stage], 3),
        )
        for stage in STAGES
    }
    limits = {stage: replicas[stage] * full[stage] for stage in STAGES}
    first = min(limits, key=lambda stage: limits[stage])
    gpus = sum(each.gpus for each in stages.values())
    summary = simulated.summary
    return Size(
        profile=profile.name,
        streams=target.streams,
        stages=stages,
        orchestrators=math.ceil(target.streams / OrchestratorOptions.max_streams),
        utilization=share,
        simulated_streams=cell,
        ttfa_p50_ms=round(summary.ttfa_ms.p50 or math.nan, 1),
        ttfa_p95_ms=round(summary.ttfa_ms.p95 or math.nan, 1),
        c100_share=round(summary.c100_share or 0.0, 4),
        refused_share=round(simulated.refused_share, 4),
        first_saturated=first,
        limit_streams=round(limits[first], 1),
        gpus=gpus,
        cost_per_speech_hour=_cost(target, gpus, target.streams),
        cost_per_speech_hour_fixed_day=_cost(target, gpus, _mean_of_day(target)),
        cost_per_speech_hour_scaled_day=_scaled_cost(target, per_replica),
        reached=reached,
    )


def replicas_for(
    streams: float, per_replica: Mapping[StageName, float], zones: int
) -> dict[StageName, int]:
    """Return the replicas of each stage. With several zones, one may be lost."""
    reserve = zones / (zones - 1) if zones > 1 else 1.0
    return {
        stage: max(zones if zones > 1 else 1, math.ceil(streams * reserve / per_replica[stage]))
        for stage in STAGES
    }


def _day(target: Target) -> list[float]:
    """Streams of each hour of a day."""
    rate = diurnal(float(target.streams))
    return [rate(3600.0 * hour) for hour in range(_HOURS)]


def _mean_of_day(target: Target) -> float:
    return sum(_day(target)) / _HOURS


def _cost(target: Target, gpus: float, streams: float) -> float | None:
    if not target.gpu_cost_per_hour:
        return None
    return round(gpus * target.gpu_cost_per_hour / streams, 5)


def _scaled_cost(target: Target, per_replica: Mapping[StageName, float]) -> float | None:
    gpus = 0
    for streams in _day(target):
        replicas = replicas_for(streams, per_replica, target.zones)
        gpus += sum(math.ceil(each / target.replicas_per_gpu) for each in replicas.values())
    return _cost(target, gpus / _HOURS, _mean_of_day(target))
