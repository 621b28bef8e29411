"""Statistics of a level."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from barkclient.bench.level import Level
from barkclient.bench.level_run import LevelRun
from barkclient.bench.playback import is_free
from barkclient.bench.stream import StreamRecord

_SUSTAINED_SHARE = 0.99


@dataclass(frozen=True)
class Percentiles:
    """Percentiles of measured values, None if there are none."""

    p50: float | None
    p95: float | None
    p99: float | None

    @classmethod
    def of(cls, values: Sequence[float], scale: float = 1.0) -> "Percentiles":
        """Compute percentiles by nearest rank: each is a measured value times `scale`."""
        if not values:
            return cls(None, None, None)
        ranked = sorted(values)
        return cls(*(scale * ranked[_rank(percent, len(ranked))] for percent in (50, 95, 99)))


@dataclass(frozen=True)
class LevelSummary:
    """Statistics of one level. Latency and audio are those of finished streams."""

    level: Level
    complete: bool  # False: interrupted
    begun: int  # streams
    finished: int
    failed: int
    errors: dict[str, int]  # streams that failed, by status name
    reasons: dict[str, str]  # message of the first failure of each status
    elapsed_s: float  # from the first request to the end of the last stream
    full_s: float  # part of it under full load
    audio_s: float  # of all finished streams
    audio_s_per_s: float | None  # audio that arrived under full load, per second of full load
    ttfa_ms: Percentiles  # of streams
    gap_ms: Percentiles  # between consecutive chunks
    rtf: Percentiles  # of streams
    free_0ms: float | None  # share (0 to 1) of ended streams that finished without underrun
    free_100ms: float | None  # the same, with at most 100 ms of underrun
    lag_ms: Percentiles  # delays of the client's event loop

    @property
    def sustained(self) -> bool:
        """Whether the server sustains the load: no failures, 99% with at most 100 ms underrun."""
        return not self.failed and (self.free_100ms or 0.0) >= _SUSTAINED_SHARE


def summarize(run: LevelRun) -> LevelSummary:
    """Summarize a level, even if it was interrupted."""
    finished = [stream for stream in run.streams if stream.finished]
    failed = [stream for stream in run.streams if not stream.finished]
    gaps = [gap for stream in finished for gap in stream.gaps_s]
    return LevelSummary(
        level=run.level,
        complete=run.complete,
        begun=run.begun,
        finished=len(finished),
        failed=len(failed),
        errors=dict(Counter(stream.status for stream in failed).most_common()),
        reasons={stream.status: stream.message for stream in reversed(failed)},
        elapsed_s=run.elapsed_s,
        full_s=run.full_s,
        audio_s=sum(stream.audio_s for stream in finished),
        audio_s_per_s=_per_second(audio_within_s(finished, run.full_s), run.full_s),
        ttfa_ms=Percentiles.of([s.ttfa_s for s in finished if s.ttfa_s is not None], 1000),
        gap_ms=Percentiles.of(gaps, 1000),
        rtf=Percentiles.of([s.rtf for s in finished if s.rtf is not None]),
        free_0ms=free_share(run.streams, 0.0),
        free_100ms=free_share(run.streams, 0.1),
        lag_ms=Percentiles.of(run.lags_s, 1000),
    )


def audio_within_s(streams: Sequence[StreamRecord], end_s: float) -> float:
    """Return the seconds of audio that arrived in the first `end_s` seconds of a level."""
    return sum(
        arrival.audio_s
        for stream in streams
        for arrival in stream.arrivals
        if stream.begun_s + arrival.at_s <= end_s
    )


def free_share(streams: Sequence[StreamRecord], allowed_s: float) -> float | None:
    """Return the share of streams that finished with at most `allowed_s` of underrun."""
    if not streams:
        return None
    free = sum(stream.finished and is_free(stream.arrivals, allowed_s) for stream in streams)
    return free / len(streams)


def _per_second(audio_s: float, elapsed_s: float) -> float | None:
    return audio_s / elapsed_s if audio_s else None


def _rank(percent: int, count: int) -> int:
    """Return the index of the nearest rank in sorted values, in exact integer arithmetic."""
    return -(-percent * count // 100) - 1
