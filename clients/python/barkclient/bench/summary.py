"""From the streams of a level to its numbers."""

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
    """In the unit of what was measured; all None where nothing was."""

    p50: float | None
    p95: float | None
    p99: float | None

    @classmethod
    def of(cls, values: Sequence[float], scale: float = 1.0) -> "Percentiles":
        """Nearest rank: each is a value that was measured, times `scale`."""
        if not values:
            return cls(None, None, None)
        ranked = sorted(values)
        return cls(*(scale * ranked[_rank(percent, len(ranked))] for percent in (50, 95, 99)))


@dataclass(frozen=True)
class LevelSummary:
    """The numbers of one level; those of latency and audio are of streams that finished."""

    level: Level
    complete: bool  # False: interrupted, and measured so far
    begun: int  # streams
    finished: int
    failed: int
    errors: dict[str, int]  # streams that failed, by status name
    reasons: dict[str, str]  # what the first of each status said
    elapsed_s: float  # from the first request to the end of the last stream
    full_s: float  # of which under full load
    audio_s: float  # of all finished streams
    audio_s_per_s: float | None  # audio that came under full load, for each second of that
    ttfa_ms: Percentiles  # of streams
    gap_ms: Percentiles  # of chunks: since the chunk before
    rtf: Percentiles  # of streams
    free_0ms: float | None  # share, 0 to 1, of ended streams that finished without any underrun
    free_100ms: float | None  # likewise, with at most 100 ms of it
    lag_ms: Percentiles  # how late this client's own event loop was

    @property
    def sustained(self) -> bool:
        """Whether the server keeps up: no stream failed, and next to none faltered."""
        return not self.failed and (self.free_100ms or 0.0) >= _SUSTAINED_SHARE


def summarize(run: LevelRun) -> LevelSummary:
    """The numbers of a level, also of one that was broken off."""
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
    """Seconds of audio that came within so many seconds of a level's begin."""
    return sum(
        arrival.audio_s
        for stream in streams
        for arrival in stream.arrivals
        if stream.begun_s + arrival.at_s <= end_s
    )


def free_share(streams: Sequence[StreamRecord], allowed_s: float) -> float | None:
    """Share of streams that finished with no more than so many seconds of underrun."""
    if not streams:
        return None
    free = sum(stream.finished and is_free(stream.arrivals, allowed_s) for stream in streams)
    return free / len(streams)


def _per_second(audio_s: float, elapsed_s: float) -> float | None:
    return audio_s / elapsed_s if audio_s else None


def _rank(percent: int, count: int) -> int:
    """The index below which `percent` of the values lie, or at which: exact, without floats."""
    return -(-percent * count // 100) - 1
