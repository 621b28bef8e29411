"""The profile of a deployment: how long its models compute, and what else takes time.

A profile is a results file (`barkserve-results/1`) with one result of section "profile" for each
stage, and one for the chain.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from barkclient.bench.results import Result, Results, WrongResultsFormat, read_results
from barkserve.coarse.windows import CoarseGeometry
from barkserve.constants import STAGES
from barkserve.fine.windows import ChunkPlan, FineGeometry
from barkserve.simulation.time_table import TimeTable

SECTION = "profile"
CHAIN = "chain"


@dataclass(frozen=True)
class StageTimes:
    """The times of one stage's model on one device.

    Attributes:
        steps: a decode step by rows; a fill by windows (fine); a job by frames (codec).
        prompts: a prefill by positions; None for fine and codec.
        batch: rows that compute at once: slots, windows or chunks.
        host_s: CPU seconds of the service for a second of audio.
    """

    steps: TimeTable
    prompts: TimeTable | None
    batch: int
    host_s: float = 0.0

    def slower(self, factor: float) -> "StageTimes":
        """Return the times of a device that is slower by a factor."""
        prompts = None if self.prompts is None else self.prompts.times(factor)
        return replace(self, steps=self.steps.times(factor), prompts=prompts)


@dataclass(frozen=True)
class Rates:
    """The rates and windows of a checkpoint.

    Attributes:
        semantic_rate: semantic tokens per second of audio.
        frame_rate: frames per second of audio.
        prompt: positions of the semantic prompt.
        coarse: windows of the coarse stage.
        fine: windows of the fine stage.
    """

    semantic_rate: float
    frame_rate: float
    prompt: int
    coarse: CoarseGeometry
    fine: FineGeometry


@dataclass(frozen=True)
class Profile:
    """All that the simulation must know of a deployment.

    Attributes:
        name: the model and the device.
        stages: the times of each stage.
        rates: of the checkpoint.
        chunks: when the fine stage fills.
        hop_s: seconds for a message from one service to the next.
        interruptible: a burst ends when a stream comes or goes, as on a CPU.
        shared_cores: cores that all services share; 0: each replica has a device of its own.
        audio_s: durations of utterances, in seconds, to draw from.
        source: where the figures come from.
    """

    name: str
    stages: Mapping[str, StageTimes]
    rates: Rates
    chunks: ChunkPlan
    hop_s: float
    interruptible: bool
    shared_cores: float
    audio_s: Sequence[float]
    source: str = ""

    def with_slower(self, stage: str, factor: float) -> "Profile":
        """Return the profile with one stage slower by a factor."""
        return replace(self, stages={**self.stages, stage: self.stages[stage].slower(factor)})


@dataclass(frozen=True)
class _Chain:
    """The result of the chain, as it is in the file."""

    semantic_rate: float
    frame_rate: float
    prompt: int
    coarse: dict[str, Any]
    fine: dict[str, Any]
    chunks: dict[str, Any]
    audio_s: list[float] = field(default_factory=list)
    source: str = ""


def to_results(profile: Profile, machine: Mapping[str, Any], tool: str) -> Results:
    """Return the profile as a results file."""
    stages = [
        Result(
            SECTION,
            {"stage": stage, "device": profile.name},
            {
                "step_ms": times.steps.to_ms(),
                "prompt_ms": None if times.prompts is None else times.prompts.to_ms(),
                "batch": times.batch,
                "host_s": times.host_s,
            },
        )
        for stage, times in profile.stages.items()
    ]
    metrics = {
        "hop_ms": 1000 * profile.hop_s,
        "shared_cores": profile.shared_cores,
        "interruptible": float(profile.interruptible),
    }
    rates = profile.rates
    details = _Chain(
        rates.semantic_rate,
        rates.frame_rate,
        rates.prompt,
        asdict(rates.coarse),
        asdict(rates.fine),
        asdict(profile.chunks),
        list(profile.audio_s),
        profile.source,
    )
    chain = Result(
        SECTION, {"stage": CHAIN, "device": profile.name}, metrics, details=asdict(details)
    )
    return Results(tool, machine, {}).with_results([*stages, chain])


def read_profile(path: Path) -> Profile:
    """Read a profile.

    Raises:
        OSError: the file cannot be read.
        WrongResultsFormat: it is not a results file, or it has no profile.
    """
    results = read_results(path).of(SECTION)
    by_stage = {str(result.case["stage"]): result for result in results}
    missing = [stage for stage in (*STAGES, CHAIN) if stage not in by_stage]
    if missing:
        raise WrongResultsFormat(
            f"{path} has no profile of {', '.join(missing)}: write one with "
            "'python -m benchmarks.plan profile --out FILE'"
        )
    try:
        return _profile(by_stage)
    except (KeyError, TypeError, ValueError) as error:
        raise WrongResultsFormat(f"{path} has an incomplete profile: {error!r}") from error


def _profile(by_stage: Mapping[str, Result]) -> Profile:
    chain = by_stage[CHAIN]
    details, metrics = _Chain(**chain.details), chain.metrics
    rates = Rates(
        details.semantic_rate,
        details.frame_rate,
        details.prompt,
        CoarseGeometry(**details.coarse),
        FineGeometry(**details.fine),
    )
    return Profile(
        name=str(chain.case["device"]),
        stages={stage: _times(by_stage[stage].metrics) for stage in STAGES},
        rates=rates,
        chunks=ChunkPlan(**details.chunks),
        hop_s=_number(metrics["hop_ms"]) / 1000,
        interruptible=bool(metrics["interruptible"]),
        shared_cores=_number(metrics["shared_cores"]),
        audio_s=details.audio_s,
        source=details.source,
    )


def _times(metrics: Mapping[str, Any]) -> StageTimes:
    prompts = metrics["prompt_ms"]
    return StageTimes(
        TimeTable.of_ms(metrics["step_ms"]),
        None if prompts is None else TimeTable.of_ms(prompts),
        round(_number(metrics["batch"])),
        _number(metrics["host_s"]),
    )


def _number(value: Any) -> float:
    return float(value)
