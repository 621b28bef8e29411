"""The profile of the models that only sleep. It is known, not measured."""

from pathlib import Path

from barkserve.checkpoint.folder import CheckpointFolder
from barkserve.coarse.windows import CoarseGeometry
from barkserve.constants import StageName
from barkserve.fine.windows import FineGeometry
from barkserve.simulation.profile import Profile, Rates, StageTimes
from barkserve.simulation.time_table import TimeTable
from benchmarks.scaling.slow_model import UTTERANCE_S, step_seconds
from benchmarks.scaling.stage import MAX_CHUNK_FRAMES, PLANNER, Speed


def waiting_profile(folder: Path) -> Profile:
    """Return the profile of `benchmarks.scaling.stage`.

    Args:
        folder: a checkpoint of `write_checkpoint`.
    """
    bark = CheckpointFolder.open(folder).bark

    def each(stage: StageName) -> float:
        return step_seconds(stage, bark)

    def causal(stage: StageName) -> StageTimes:
        """Each row of a step, and each prompt, takes the same time."""
        row_s = each(stage)
        steps = TimeTable([1, 2], [row_s, 2 * row_s])
        return StageTimes(steps, TimeTable([1], [row_s]), Speed.slots)

    fill_s = each("fine") * MAX_CHUNK_FRAMES
    return Profile(
        name="models that only sleep",
        stages={
            "semantic": causal("semantic"),
            "coarse": causal("coarse"),
            "fine": StageTimes(TimeTable([1], [fill_s]), None, 1),
            "codec": StageTimes(TimeTable([1, 2], [each("codec"), 2 * each("codec")]), None, 1),
        },
        rates=Rates(
            bark.semantic_generation.semantic_rate_hz,
            bark.codec.frame_rate,
            bark.semantic_generation.prompt_length,
            CoarseGeometry.from_config(bark),
            FineGeometry.from_config(bark.fine_generation),
        ),
        chunks=PLANNER.plan,
        hop_s=0.0,
        interruptible=True,
        shared_cores=0.0,
        audio_s=(UTTERANCE_S,),
        source="benchmarks/scaling/slow_model.py",
    )
