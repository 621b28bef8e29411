"""The chunk plan of new syntheses: that of the slowest fine replica.

All replicas get the same plan, so a seed has one waveform on all of them.
"""

from barkserve.discovery.replica import loads_of
from barkserve.orchestrator.stages.pool import StagePool
from barkserve.serving.load import Load
from barkserve.v1 import common_pb2


def slowest_chunk_plan(pool: StagePool) -> common_pb2.ChunkPlan | None:
    """The plan of the slowest replica; None while no replica has reported one.

    Args:
        pool: the replicas of the fine stage.
    """
    planned = [load for load in loads_of(pool.replicas).values() if load.chunk_first]
    if not planned:
        return None
    slowest = max(planned, key=_slowness)
    return common_pb2.ChunkPlan(
        first_frames=round(slowest.chunk_first),
        growth=slowest.chunk_growth,
        max_frames=round(slowest.chunk_most),
        lookahead_frames=round(slowest.chunk_lookahead),
    )


def _slowness(load: Load) -> tuple[float, ...]:
    return (load.chunk_growth, load.chunk_most, load.chunk_first, load.chunk_lookahead)
