"""How many real-time streams a replica serves, from the times of its model. Pure."""

from collections.abc import Mapping

from barkserve.constants import STAGES, StageName
from barkserve.fine.windows import ChunkPlan
from barkserve.simulation.profile import Profile

_PRECISION = 1 / 256


def streams_per_replica(profile: Profile, share: float, mean_s: float) -> Mapping[StageName, float]:
    """Return the streams with which each stage's model is busy for a share of the time.

    Args:
        profile: the times of the models.
        share: share of the time, above 0.
        mean_s: mean duration of an utterance in seconds.
    """
    return {stage: _streams(profile, stage, share, mean_s) for stage in STAGES}


def busy_share(profile: Profile, stage: StageName, streams: float, mean_s: float) -> float:
    """Return the seconds per second for which a model is busy with some real-time streams.

    Batches are as large as the streams allow, which holds close to the capacity.
    """
    rates, times = profile.rates, profile.stages[stage]
    rows = min(max(1.0, streams), times.batch)
    if stage == "semantic":
        assert times.prompts is not None
        step_s = rates.semantic_rate * times.steps.at(rows) / rows
        return streams * (step_s + times.prompts.at(rates.prompt) / mean_s)
    if stage == "coarse":
        assert times.prompts is not None
        geometry = rates.coarse
        positions = geometry.max_input + 1 + geometry.max_history
        tokens = rates.frame_rate * geometry.codebooks
        windows = tokens / geometry.window
        step_s = tokens * times.steps.at(rows) / rows
        return streams * (step_s + windows * times.prompts.at(positions))
    chunks, frames = chunks_of(profile.chunks, round(mean_s * rates.frame_rate))
    if stage == "fine":
        return streams * chunks / mean_s * times.steps.at(rows) / rows
    length = frames / chunks
    return streams * chunks / mean_s * times.steps.at(rows * length) / rows


def chunks_of(plan: ChunkPlan, frames: int) -> tuple[int, int]:
    """Return the chunks of an utterance by the chunk plan, and its frames."""
    for count, known in enumerate(plan.fills(), start=1):
        if known >= frames:
            return count, frames
    raise AssertionError("a chunk plan has no end")


def _streams(profile: Profile, stage: StageName, share: float, mean_s: float) -> float:
    low, high = 0.0, 1.0
    while busy_share(profile, stage, high, mean_s) < share:
        low, high = high, 2 * high
    while high - low > max(low, 1.0) * _PRECISION:
        middle = (low + high) / 2
        if busy_share(profile, stage, middle, mean_s) <= share:
            low = middle
        else:
            high = middle
    times = profile.stages[stage]
    return min(low, float(times.batch)) if times.prompts is not None else low
