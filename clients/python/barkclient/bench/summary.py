"""Statistics of a level. Each attribute of `LevelSummary` is defined here, once.

Only finished streams have latencies. A stream that failed or was refused counts against C50, C100,
C200 and goodput, however it sounded.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from barkclient.bench.level import Level
from barkclient.bench.level_run import LevelRun
from barkclient.bench.playback import is_continuous, longest_silence_s, underrun_s
from barkclient.bench.stream import StreamRecord

CLEAN_BUFFER_S = 0.1
"""A stream is clean if a player with this buffer plays it without an underrun."""

SUSTAINED_SHARE = 0.99
"""A load is sustained if no stream failed and this share of the streams was clean."""


@dataclass(frozen=True)
class Percentiles:
    """Percentiles by nearest rank: each is a measured value. None: there are no values.

    The percentile p of n values is the value of rank ceil(p * n / 100) in rising order.
    """

    p50: float | None
    p95: float | None
    p99: float | None
    max: float | None

    @classmethod
    def of(cls, values: Sequence[float], scale: float = 1.0) -> "Percentiles":
        """Compute the percentiles of the values times `scale`."""
        if not values:
            return cls(None, None, None, None)
        ranked = sorted(values)
        return cls(*(scale * ranked[_rank(percent, len(ranked))] for percent in (50, 95, 99, 100)))


@dataclass(frozen=True)
class LevelSummary:
    """Statistics of one level.

    Attributes:
        level: the load.
        complete: False if the level was interrupted.
        stopped_early: whether the level was stopped because the load could not be sustained.
        begun: streams that were started.
        finished: streams that ended without an error.
        failed: streams that ended with an error, refused ones included.
        errors: failed streams by the name of their gRPC status.
        reasons: the message of the first failure of each status.
        elapsed_s: from the first request to the end of the last stream.
        window_s: the part of it under load: open loop, until the last arrival; closed loop, until
            the first slot had no more streams to start.
        audio_s: audio of all finished streams.
        audio_per_s: audio of finished streams that arrived within window_s, per second of it.
        goodput_audio_per_s: the same, of clean streams only.
        goodput_streams_per_s: clean streams per second of elapsed_s. vLLM calls requests per second
            that meet their latency limits goodput; here the limit is a clean playback.
        mean_streams, max_streams: streams at once. The mean is that of window_s.
        ttfa_ms: time to first audio of a stream: from its request to its first chunk with samples.
            In an open loop a stream begins at its arrival time, even if the client was late.
        gap_ms: time from one chunk to the next, of all chunks of all streams. Riva's tool calls it
            the latency of a chunk.
        rtf: real-time factor of a stream: seconds from its request to its last chunk, divided by
            the seconds of its audio.
        underrun_ms: the underrun of a stream, see `barkclient.bench.playback`.
        longest_silence_ms: the longest silence of a stream, see there.
        c0_share, c50_share, c100_share, c200_share: of all ended streams, those that finished and
            have an underrun of at most 0, 50, 100 or 200 ms. C0 needs no buffer at all.
        lag_ms: delays of the client's event loop, which add to the latencies.
    """

    level: Level
    complete: bool
    stopped_early: bool
    begun: int
    finished: int
    failed: int
    errors: dict[str, int]
    reasons: dict[str, str]
    elapsed_s: float
    window_s: float
    audio_s: float
    audio_per_s: float | None
    goodput_audio_per_s: float | None
    goodput_streams_per_s: float | None
    mean_streams: float | None
    max_streams: int
    ttfa_ms: Percentiles
    gap_ms: Percentiles
    rtf: Percentiles
    underrun_ms: Percentiles
    longest_silence_ms: Percentiles
    c0_share: float | None
    c50_share: float | None
    c100_share: float | None
    c200_share: float | None
    lag_ms: Percentiles

    @property
    def sustained(self) -> bool:
        """Whether the server sustains the load: nothing failed and C100 is at least 99%."""
        return not self.failed and (self.c100_share or 0.0) >= SUSTAINED_SHARE


def summarize(run: LevelRun) -> LevelSummary:
    """Summarize a level, even if it was interrupted."""
    finished = [stream for stream in run.streams if stream.finished]
    failed = [stream for stream in run.streams if not stream.finished]
    clean = [stream for stream in finished if is_clean(stream)]
    shares = [continuous_share(run.streams, buffer_s) for buffer_s in (0.0, 0.05, 0.1, 0.2)]
    return LevelSummary(
        level=run.level,
        complete=run.complete,
        stopped_early=run.stopped_early,
        begun=run.begun,
        finished=len(finished),
        failed=len(failed),
        errors=dict(Counter(stream.status for stream in failed).most_common()),
        reasons={stream.status: stream.message for stream in reversed(failed)},
        elapsed_s=run.elapsed_s,
        window_s=run.window_s,
        audio_s=sum(stream.audio_s for stream in finished),
        audio_per_s=_per_second(audio_within_s(finished, run.window_s), run.window_s),
        goodput_audio_per_s=_per_second(audio_within_s(clean, run.window_s), run.window_s),
        goodput_streams_per_s=_per_second(len(clean), run.elapsed_s),
        mean_streams=_per_second(_stream_seconds(run.streams, run.window_s), run.window_s),
        max_streams=_most_at_once(run.streams),
        ttfa_ms=Percentiles.of([s.ttfa_s for s in finished if s.ttfa_s is not None], 1000),
        gap_ms=Percentiles.of([gap for stream in finished for gap in stream.gaps_s], 1000),
        rtf=Percentiles.of([s.rtf for s in finished if s.rtf is not None]),
        underrun_ms=Percentiles.of([underrun_s(s.arrivals) for s in finished], 1000),
        longest_silence_ms=Percentiles.of([longest_silence_s(s.arrivals) for s in finished], 1000),
        c0_share=shares[0],
        c50_share=shares[1],
        c100_share=shares[2],
        c200_share=shares[3],
        lag_ms=Percentiles.of(run.lags_s, 1000),
    )


def is_clean(stream: StreamRecord) -> bool:
    """Whether a stream finished and plays without an underrun from a buffer of 100 ms."""
    return stream.finished and is_continuous(stream.arrivals, CLEAN_BUFFER_S)


def cannot_be_sustained(run: LevelRun) -> bool:
    """Whether a running level will not be sustained, whatever its other streams do."""
    missed = sum(not is_clean(stream) for stream in run.streams)
    allowed = 0.0 if run.level.count is None else (1 - SUSTAINED_SHARE) * run.level.count
    return run.level.count is not None and (run.failed > 0 or missed > allowed + 1e-9)


def audio_within_s(streams: Sequence[StreamRecord], end_s: float) -> float:
    """Return the seconds of audio that arrived in the first `end_s` seconds of a level."""
    return sum(
        arrival.audio_s
        for stream in streams
        for arrival in stream.arrivals
        if stream.begun_s + arrival.at_s <= end_s
    )


def continuous_share(streams: Sequence[StreamRecord], buffer_s: float) -> float | None:
    """Return the share of streams that finished and need a buffer of at most `buffer_s`."""
    if not streams:
        return None
    return sum(s.finished and is_continuous(s.arrivals, buffer_s) for s in streams) / len(streams)


def _stream_seconds(streams: Sequence[StreamRecord], end_s: float) -> float:
    """Return the seconds that the streams ran in the first `end_s` seconds, summed."""
    return sum(max(0.0, min(end_s, s.begun_s + s.ended_s) - s.begun_s) for s in streams)


def _most_at_once(streams: Sequence[StreamRecord]) -> int:
    ends = [(stream.begun_s + stream.ended_s, -1) for stream in streams]
    changes = sorted(ends + [(stream.begun_s, 1) for stream in streams])
    return max(accumulate(change for _, change in changes), default=0)


def _per_second(amount: float, seconds: float) -> float | None:
    return amount / seconds if seconds > 0 else None


def _rank(percent: int, count: int) -> int:
    """Return the index of the nearest rank in sorted values, in exact integer arithmetic."""
    return -(-percent * count // 100) - 1
