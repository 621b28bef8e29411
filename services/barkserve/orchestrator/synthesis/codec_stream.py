"""The codec's share of a whole speech: one call, in which the frames of a piece follow those of the
piece before, so that no seam can be heard. Knows messages; knows no text.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from barkserve.checkpoint.bark_config import BarkConfig
from barkserve.errors import NothingToSpeak, StageFailed, TextTooLong
from barkserve.orchestrator.stages.call import StageCall
from barkserve.orchestrator.stages.pool import StagePool
from barkserve.orchestrator.stages.replay import Replay
from barkserve.orchestrator.stages.retry import RetryPolicy
from barkserve.orchestrator.synthesis.pipeline import Pipeline
from barkserve.v1 import codec_pb2, codec_pb2_grpc, common_pb2

WARM_UP_FRAMES = 300
"""Frames before the next sample that another replica hears again when one is replaced: by then its
recurrent layers have forgotten all that came before."""

Samples = NDArray[np.float32]


class CodecStream:
    """Frames of piece after piece in, samples out. Made for one speech; `close` ends the call.

    Args:
        pool: the codec's replicas.
        config: the checkpoint's.
        patience: until when to wait for them.
        past: codes of all codebooks, frame by frame, that were heard before in another call.
    """

    def __init__(
        self,
        pool: StagePool,
        config: BarkConfig,
        patience: RetryPolicy,
        past: Sequence[int] = (),
    ) -> None:
        self._pool = pool
        self._config = config
        self._patience = patience
        self._past = self._heard = past
        self._books = config.fine_generation.n_fine_codebooks
        self._hop = config.codec.hop_length
        self._pieces: asyncio.Queue[Pipeline | None] = asyncio.Queue()
        self._frames: Replay[Sequence[int]] = Replay(self._all_frames())
        self._lengths: deque[int] = deque()  # frames in each message that is kept
        self._forgotten = 0  # frames that are kept no more
        self._fed = len(past) // self._books  # frames of the past and of pieces that are complete
        self._made = self._fed * self._hop  # samples, those of the past counted
        self._ended = False
        self._report: common_pb2.StageReport | None = None
        self._call = StageCall(
            pool,
            lambda channel: codec_pb2_grpc.CodecServiceStub(channel).Decode,
            self._requests,
            patience,
        )
        self._responses = self._call.responses()
        self._next: asyncio.Task[Samples | None] | None = None
        self._left = np.empty(0, dtype=np.float32)  # of a response: the next piece's samples

    def add(self, segment: Pipeline | None) -> None:
        """The next piece, whose frames may still be to come; None: there are no more."""
        self._pieces.put_nowait(segment)

    async def samples(self, segment: Pipeline) -> AsyncGenerator[Samples, None]:
        """Yields (n,) float32 samples of one piece; pieces are asked for in the order of `add`.

        Raises:
            BarkserveError: what the first stage that failed said.
        """
        made = 0
        while not segment.complete.done() or made < segment.frame_count * self._hop:
            if segment.complete.done():
                self._end_if_short(segment)
            samples = self._left if len(self._left) else await self._some_or_end(segment)
            end = (
                segment.frame_count * self._hop if segment.complete.done() else made + len(samples)
            )
            samples, self._left = samples[: end - made], samples[end - made :]
            made += len(samples)
            if len(samples):
                yield samples
        self._fed += segment.frame_count

    def after(self, segment: Pipeline, *, heard: bool) -> "CodecStream":
        """The stream for the next piece: this one, unless its call has ended, or the piece was not
        heard and the codec must forget it: then another call goes on from what was heard.
        """
        if heard:
            most = WARM_UP_FRAMES * self._books
            self._heard = [*self._heard, *segment.spoken.fine][-most:]
        if heard and not self._ended:
            return self
        self.close()
        return CodecStream(self._pool, self._config, self._patience, self._heard)

    async def finish(self) -> common_pb2.StageReport:
        """The codec's report, after the last piece."""
        while self._report is None:
            await self._pulled()
        return self._report

    def close(self) -> None:
        """Cancel the call."""
        self._call.close()
        self._frames.close()
        if self._next is not None:
            self._next.cancel()

    def _end_if_short(self, segment: Pipeline) -> None:
        """A codec that has too few frames to begin with waits for more, unless the call ends."""
        few = self._fed + segment.frame_count < self._config.codec.first_frames
        if few and not self._ended:
            self._ended = True
            self.add(None)

    async def _some_or_end(self, segment: Pipeline) -> Samples:
        """The next samples; none if the piece turns out to have no more."""
        pull = self._pull()
        if not segment.complete.done():
            either: set[asyncio.Future[Any]] = {pull, segment.complete}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if segment.complete.done():
                segment.complete.result()  # raises what the piece failed with
                return np.empty(0, dtype=np.float32)
        samples = await self._pulled()
        if samples is None:
            raise StageFailed("the codec stage ended its stream before the last sample")
        return samples

    def _pull(self) -> asyncio.Task[Samples | None]:
        if self._next is None:
            self._next = asyncio.create_task(self._response())
        return self._next

    async def _pulled(self) -> Samples | None:
        samples = await asyncio.shield(self._pull())
        self._next = None
        return samples

    async def _response(self) -> Samples | None:
        """The next samples, None at the end."""
        async for response in self._responses:
            if response.WhichOneof("response") == "finished":
                self._report = response.finished.report
                continue
            samples = np.frombuffer(response.samples.pcm, dtype="<f4")
            self._made += len(samples)
            self._forget()
            return samples
        return None

    async def _requests(self) -> AsyncIterator[codec_pb2.DecodeRequest]:
        """All requests as of now: what is kept is sent again."""
        produced = self._made - self._forgotten * self._hop
        yield codec_pb2.DecodeRequest(config=codec_pb2.CodecConfig(produced_samples=produced))
        async for codes in self._frames.read():
            yield codec_pb2.DecodeRequest(frames=codec_pb2.FineInput(codes=codes))

    async def _all_frames(self) -> AsyncIterator[Sequence[int]]:
        """The frames of the past and of all pieces, one after the other."""
        if self._past:
            self._lengths.append(len(self._past) // self._books)
            yield self._past
        while (segment := await self._pieces.get()) is not None:
            try:
                async for codes in segment.frames():
                    self._lengths.append(len(codes) // self._books)
                    yield codes
            except (TextTooLong, NothingToSpeak):
                continue  # it is spoken in halves, or not at all

    def _forget(self) -> None:
        """Keep no more than a replica would have to hear again."""
        heard = self._made // self._hop
        while self._lengths and self._forgotten + self._lengths[0] <= heard - WARM_UP_FRAMES:
            self._forgotten += self._lengths.popleft()
            self._frames.forget_first()
