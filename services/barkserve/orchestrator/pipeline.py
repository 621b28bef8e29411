"""One utterance through the four stages: each stage's responses, as they come, are the next stage's
requests.

Every stage is an async iterator over the one before it, so reading samples pulls the whole chain,
and a reader who stops reading stops it. Knows messages; knows no audio encodings, no voices by
name, and not which replica answers.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import grpc
import numpy as np
from numpy.typing import NDArray

from barkserve.constants import StageName
from barkserve.orchestrator.plan import Plan
from barkserve.orchestrator.pool import StagePool
from barkserve.orchestrator.replay import Replay
from barkserve.orchestrator.stage_call import Messages, StageCall
from barkserve.orchestrator.stage_config import (
    coarse_config,
    fine_config,
    semantic_config,
)
from barkserve.v1 import (
    coarse_pb2,
    coarse_pb2_grpc,
    codec_pb2,
    codec_pb2_grpc,
    common_pb2,
    fine_pb2,
    fine_pb2_grpc,
    semantic_pb2,
    semantic_pb2_grpc,
)

Pools = Mapping[StageName, StagePool]


@dataclass
class Spoken:
    """What the stages have said of an utterance; complete once its samples have ended."""

    semantic: list[int] = field(default_factory=list)
    coarse: list[int] = field(default_factory=list)  # frame by frame
    fine: list[int] = field(default_factory=list)  # frame by frame
    sample_count: int = 0
    finish_reason: "common_pb2.FinishReason" = common_pb2.FINISH_REASON_UNSPECIFIED
    reports: dict[StageName, common_pb2.StageReport] = field(default_factory=dict)


class Pipeline:
    """One utterance on its way. Made for one use; `close` ends all its calls.

    Args:
        pools: the replicas of each stage.
        plan: what to speak.
        timeout_s: seconds until the client's deadline, None without one.
    """

    def __init__(self, pools: Pools, plan: Plan, timeout_s: float | None) -> None:
        self.spoken = Spoken()
        self._pools = pools
        self._plan = plan
        loop = asyncio.get_running_loop()
        self._deadline = None if timeout_s is None else loop.time() + timeout_s
        self._open: list[StageCall | Replay[Any]] = []

    async def samples(self) -> AsyncGenerator[NDArray[np.float32], None]:
        """Yields (n,) float32 samples as the codec makes them.

        Raises:
            BarkserveError: what the first stage that failed said.
        """
        semantic = self._replay(self._semantic())
        coarse = self._replay(self._coarse(semantic))
        fine = self._replay(self._fine(coarse))
        async for samples in self._codec(fine):
            yield samples

    def close(self) -> None:
        """Cancel whatever is still running in any stage."""
        for each in self._open:
            each.close()

    async def _semantic(self) -> AsyncIterator[Sequence[int]]:
        """Tokens."""
        request = semantic_pb2.SemanticServiceGenerateRequest

        def opening() -> list[Any]:
            config = semantic_config(self._plan, self.spoken.semantic)
            return [request(config=config), request(text=self._plan.request.text)]

        stub = semantic_pb2_grpc.SemanticServiceStub
        async for response in self._stage("semantic", stub, opening):
            self.spoken.semantic.extend(response.tokens.tokens)
            yield response.tokens.tokens

    async def _coarse(self, semantic: Replay[Sequence[int]]) -> AsyncIterator[Sequence[int]]:
        """Codes, frame by frame."""
        request, stub = coarse_pb2.CoarseServiceGenerateRequest, coarse_pb2_grpc.CoarseServiceStub

        def opening() -> list[Any]:
            return [request(config=coarse_config(self._plan, self.spoken.coarse))]

        def feed(tokens: Sequence[int]) -> Any:
            return request(semantic=coarse_pb2.SemanticInput(tokens=tokens))

        responses = self._stage("coarse", stub, opening, semantic, feed)
        async for response in responses:
            self.spoken.coarse.extend(response.frames.codes)
            yield response.frames.codes

    async def _fine(self, coarse: Replay[Sequence[int]]) -> AsyncIterator[Sequence[int]]:
        """Codes, frame by frame."""
        request, stub = fine_pb2.FineServiceGenerateRequest, fine_pb2_grpc.FineServiceStub

        def opening() -> list[Any]:
            return [request(config=fine_config(self._plan, self.spoken.fine))]

        def feed(codes: Sequence[int]) -> Any:
            return request(coarse=fine_pb2.CoarseInput(codes=codes))

        responses = self._stage("fine", stub, opening, coarse, feed)
        async for response in responses:
            self.spoken.fine.extend(response.frames.codes)
            yield response.frames.codes

    async def _codec(self, fine: Replay[Sequence[int]]) -> AsyncIterator[NDArray[np.float32]]:
        """Samples."""
        request, stub = codec_pb2.DecodeRequest, codec_pb2_grpc.CodecServiceStub

        def opening() -> list[Any]:
            produced = self.spoken.sample_count
            return [request(config=codec_pb2.CodecConfig(produced_samples=produced))]

        def feed(codes: Sequence[int]) -> Any:
            return request(frames=codec_pb2.FineInput(codes=codes))

        responses = self._stage("codec", stub, opening, fine, feed)
        async for response in responses:
            samples = np.frombuffer(response.samples.pcm, dtype="<f4")
            self.spoken.sample_count += len(samples)
            yield samples

    async def _stage(
        self,
        stage: StageName,
        stub: Callable[[grpc.aio.Channel], Any],
        opening: Callable[[], list[Any]],
        inputs: Replay[Any] | None = None,
        feed: Callable[[Any], Any] = lambda item: item,
    ) -> AsyncGenerator[Any, None]:
        """The responses of one stage but the last, which is kept as its report.

        Args:
            stage: which.
            stub: its generated stub class.
            opening: the first requests, as of now: they say what was already produced.
            inputs: what the stage is fed with; all of it again when a replica is replaced.
            feed: makes a request of one input.
        """

        async def requests() -> Messages:
            for request in opening():
                yield request
            if inputs is not None:
                async for item in inputs.read():
                    yield feed(item)

        def method(channel: grpc.aio.Channel) -> Any:
            service = stub(channel)
            return service.Decode if stage == "codec" else service.Generate

        call = StageCall(self._pools[stage], method, requests, self._time_left)
        self._open.append(call)
        async for response in call.responses():
            if response.WhichOneof("response") == "finished":
                self.spoken.reports[stage] = response.finished.report
                if stage == "semantic":
                    self.spoken.finish_reason = response.finished.finish_reason
            else:
                yield response

    def _replay(self, source: AsyncIterator[Sequence[int]]) -> Replay[Sequence[int]]:
        replay = Replay(source)
        self._open.append(replay)
        return replay

    def _time_left(self) -> float | None:
        if self._deadline is None:
            return None
        return max(0.0, self._deadline - asyncio.get_running_loop().time())
