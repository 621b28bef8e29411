"""Decodes all segments of a synthesis in one codec call, without audible seams. Knows no text."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from barkserve.errors import NothingToSpeak, StageFailed, TextTooLong
from barkserve.orchestrator.stages.call import StageCall
from barkserve.orchestrator.stages.pull_task import create_pull_task
from barkserve.orchestrator.stages.replay import Replay
from barkserve.orchestrator.stages.retry import RetryPolicy
from barkserve.orchestrator.synthesis.pipeline import StageClients
from barkserve.v1 import codec_pb2, codec_pb2_grpc, common_pb2

Samples = NDArray[np.float32]


class FrameSource(Protocol):
    """The frames of one segment. Codes are those of all codebooks, frame by frame."""

    @property
    def complete(self) -> "asyncio.Future[Sequence[int]]":
        """Done once all frames are known; has an exception if the segment failed."""

    @property
    def frame_count(self) -> int:
        """Frames known so far."""

    @property
    def codes(self) -> Sequence[int]:
        """The codes of the frames known so far."""

    def frames(self) -> AsyncIterator[Sequence[int]]:
        """Yield the codes of all frames."""


class CodecStream:
    """Decodes segment after segment. Made for one synthesis; `close` ends the call.

    Args:
        stages: the replicas of each stage.
        retry_policy: how long to wait for replicas without room.
        speaking_rate: how fast the samples will be played.
        past: codes that another call has decoded before; this call decodes what follows them.
    """

    def __init__(
        self,
        stages: StageClients,
        retry_policy: RetryPolicy,
        speaking_rate: float,
        past: Sequence[int] = (),
    ) -> None:
        self._stages = stages
        self._config = config = stages.config
        self._retry_policy = retry_policy
        self._speaking_rate = speaking_rate
        self._past = self._sent_codes = past
        self._books = config.fine_generation.n_fine_codebooks
        self._hop = config.codec.hop_length
        self._warm_up_frames = config.codec.warm_up_frames  # decoded again by another replica
        self._queue: asyncio.Queue[FrameSource | None] = asyncio.Queue()
        self._frames: Replay[Sequence[int]] = Replay(self._all_frames())
        self._lengths: deque[int] = deque()  # frames in each message that is kept
        self._dropped = 0  # frames that are not kept any more
        self._read_frames = len(past) // self._books  # of the past and of segments read to the end
        self._received = self._read_frames * self._hop  # samples, including those of the past
        self._ended = False
        self._report: common_pb2.StageReport | None = None
        self._call = StageCall(
            stages.pools["codec"],
            lambda channel: codec_pb2_grpc.CodecServiceStub(channel).Decode,
            self._requests,
            retry_policy,
            stages.observer,
        )
        self._responses = self._call.responses()
        self._pull: asyncio.Task[Samples | None] | None = None
        self._surplus = np.empty(0, dtype=np.float32)  # received, and part of the next segment
        self._segment: FrameSource | None = None
        self._segment_samples = 0  # read so far

    def begin(self, segment: FrameSource) -> None:
        """Decode the next segment, whose frames may still be generated."""
        self._segment, self._segment_samples = segment, 0
        self._queue.put_nowait(segment)

    async def read(self) -> Samples | None:
        """Read the next (n,) float32 samples of the segment, n >= 1; None after the last.

        Raises:
            BarkserveError: the error of the first stage that failed.
        """
        segment, hop = self._current(), self._hop
        while not segment.complete.done() or self._segment_samples < segment.frame_count * hop:
            if segment.complete.done():
                self._end_if_short(segment)
            samples = self._surplus if len(self._surplus) else await self._receive(segment)
            rest = len(samples)
            if segment.complete.done():
                rest = segment.frame_count * hop - self._segment_samples
            samples, self._surplus = samples[:rest], samples[rest:]
            self._segment_samples += len(samples)
            if len(samples):
                return samples
        self._read_frames += segment.frame_count
        return None

    def following(self, *, sent: bool) -> "CodecStream":
        """The stream for the next segment.

        This one, unless its call has ended or the codec must forget the segment. Then a new call
        continues after the last segment that was sent.

        Args:
            sent: whether the segment's samples were sent to the client.
        """
        if sent:
            most = self._warm_up_frames * self._books
            self._sent_codes = [*self._sent_codes, *self._current().codes][-most:]
            if not self._ended:
                return self
        self.close()
        return CodecStream(self._stages, self._retry_policy, self._speaking_rate, self._sent_codes)

    async def finish(self) -> common_pb2.StageReport:
        """End the call after the last segment; returns the codec's report."""
        self._queue.put_nowait(None)
        while self._report is None:
            await self._pulled()
        return self._report

    def close(self) -> None:
        """Cancel the call."""
        self._call.close()
        self._frames.close()
        if self._pull is not None:
            self._pull.cancel()

    def _current(self) -> FrameSource:
        assert self._segment is not None, "begin a segment first"
        return self._segment

    def _end_if_short(self, segment: FrameSource) -> None:
        """End the call if the codec has too few frames to begin: it would wait for more."""
        few = self._read_frames + segment.frame_count < self._config.codec.first_frames
        if few and not self._ended:
            self._ended = True
            self._queue.put_nowait(None)

    async def _receive(self, segment: FrameSource) -> Samples:
        """The next samples; none if the segment turns out to have no more."""
        pull = self._start_pull()
        if not segment.complete.done():
            either: set[asyncio.Future[Any]] = {pull, segment.complete}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if segment.complete.done():
                segment.complete.result()  # raises the segment's error
                return np.empty(0, dtype=np.float32)
        samples = await self._pulled()
        if samples is None:
            raise StageFailed("the codec stage ended its stream before the last sample")
        return samples

    def _start_pull(self) -> "asyncio.Task[Samples | None]":
        if self._pull is None:
            self._pull = create_pull_task(self._next_response())
        return self._pull

    async def _pulled(self) -> Samples | None:
        samples = await asyncio.shield(self._start_pull())
        self._pull = None
        return samples

    async def _next_response(self) -> Samples | None:
        """The next samples of the call, None at its end."""
        async for response in self._responses:
            if response.HasField("finished"):
                self._report = response.finished.report
                continue
            samples = np.frombuffer(response.samples.pcm, dtype="<f4")
            self._received += len(samples)
            self._drop_old_frames()
            return samples
        return None

    async def _requests(self) -> AsyncIterator[codec_pb2.DecodeRequest]:
        """All requests as of now: the frames that are kept are sent again."""
        produced = self._received - self._dropped * self._hop
        config = codec_pb2.CodecConfig(produced_samples=produced, speaking_rate=self._speaking_rate)
        yield codec_pb2.DecodeRequest(config=config)
        async for codes in self._frames.read():
            yield codec_pb2.DecodeRequest(frames=codec_pb2.FineInput(codes=codes))

    async def _all_frames(self) -> AsyncIterator[Sequence[int]]:
        """The codes of the past, then those of all segments."""
        if self._past:
            self._lengths.append(len(self._past) // self._books)
            yield self._past
        while (segment := await self._queue.get()) is not None:
            try:
                async for codes in segment.frames():
                    self._lengths.append(len(codes) // self._books)
                    yield codes
            except (TextTooLong, NothingToSpeak):
                continue  # it is split in half, or passed over

    def _drop_old_frames(self) -> None:
        """Keep only the frames that another replica would need to take over."""
        decoded = self._received // self._hop
        while self._lengths and self._dropped + self._lengths[0] <= decoded - self._warm_up_frames:
            self._dropped += self._lengths.popleft()
            self._frames.drop_first()
