"""One utterance through the four stages: each stage's responses, as they come, are the next stage's
requests.

Every stage is an async iterator over the one before it, so reading samples pulls the whole chain,
and a reader who stops reading stops it. Knows messages and channels; knows no audio encodings and
no voices by name.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import grpc
import numpy as np
from numpy.typing import NDArray

from barkserve.constants import StageName
from barkserve.errors import BarkserveError, StageFailed
from barkserve.orchestrator.plan import Plan
from barkserve.orchestrator.pool import StagePool
from barkserve.serving.status import from_rpc_error
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
Messages = AsyncIterator[Any]


@dataclass
class Spoken:
    """What the stages said of an utterance; complete once its samples have ended."""

    semantic: list[int] = field(default_factory=list)
    coarse: list[int] = field(default_factory=list)  # frame by frame
    fine: list[int] = field(default_factory=list)  # frame by frame
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
        self._timeout_s = timeout_s
        self._calls: list[Any] = []
        self._failure: BarkserveError | None = None

    async def samples(self) -> AsyncGenerator[NDArray[np.float32], None]:
        """Yields (n,) float32 samples as the codec makes them.

        Raises:
            BarkserveError: what the first stage that failed said.
        """
        semantic = self._call(
            "semantic", semantic_pb2_grpc.SemanticServiceStub, self._semantic_requests()
        )
        coarse = self._call(
            "coarse", coarse_pb2_grpc.CoarseServiceStub, self._coarse_requests(semantic)
        )
        fine = self._call("fine", fine_pb2_grpc.FineServiceStub, self._fine_requests(coarse))
        codec = self._call("codec", codec_pb2_grpc.CodecServiceStub, self._codec_requests(fine))
        async for response in codec:
            yield np.frombuffer(response.samples.pcm, dtype="<f4")

    def close(self) -> None:
        """Cancel whatever is still running in any stage."""
        for call in self._calls:
            call.cancel()

    async def _semantic_requests(self) -> Messages:
        plan, options = self._plan, self._plan.request.semantic
        config = semantic_pb2.SemanticConfig(
            sampling=plan.sampling(options.sampling), seed=plan.seed, max_tokens=options.max_tokens
        )
        if options.HasField("min_eos_p"):
            config.min_eos_p = options.min_eos_p
        if plan.voice is not None:
            config.semantic_prompt.extend(plan.voice.semantic_prompt)
        yield semantic_pb2.SemanticServiceGenerateRequest(config=config)
        yield semantic_pb2.SemanticServiceGenerateRequest(text=plan.request.text)

    async def _coarse_requests(self, semantic: Messages) -> Messages:
        plan = self._plan
        config = coarse_pb2.CoarseConfig(
            sampling=plan.sampling(plan.request.coarse.sampling), seed=plan.seed
        )
        if plan.voice is not None:
            config.semantic_prompt.extend(plan.voice.semantic_prompt)
            config.coarse_prompt.extend(plan.voice.coarse_prompt.T.ravel())
        yield coarse_pb2.CoarseServiceGenerateRequest(config=config)
        async for response in semantic:
            self.spoken.semantic.extend(response.tokens.tokens)
            tokens = coarse_pb2.SemanticInput(tokens=response.tokens.tokens)
            yield coarse_pb2.CoarseServiceGenerateRequest(semantic=tokens)

    async def _fine_requests(self, coarse: Messages) -> Messages:
        plan, options = self._plan, self._plan.request.fine
        config = fine_pb2.FineConfig(
            sampling=plan.sampling(options.sampling),
            seed=plan.seed,
            delivery_mode=plan.request.delivery_mode,
        )
        if options.HasField("lookahead_frames"):
            config.lookahead_frames = options.lookahead_frames
        if plan.voice is not None:
            config.fine_prompt.extend(plan.voice.fine_prompt.T.ravel())
        yield fine_pb2.FineServiceGenerateRequest(config=config)
        async for response in coarse:
            self.spoken.coarse.extend(response.frames.codes)
            codes = fine_pb2.CoarseInput(codes=response.frames.codes)
            yield fine_pb2.FineServiceGenerateRequest(coarse=codes)

    async def _codec_requests(self, fine: Messages) -> Messages:
        yield codec_pb2.DecodeRequest(config=codec_pb2.CodecConfig())
        async for response in fine:
            self.spoken.fine.extend(response.frames.codes)
            codes = codec_pb2.FineInput(codes=response.frames.codes)
            yield codec_pb2.DecodeRequest(frames=codes)

    async def _call(
        self, stage: StageName, stub: Callable[[grpc.aio.Channel], Any], requests: Messages
    ) -> AsyncGenerator[Any, None]:
        """The responses of one stage but the last, which is kept as its report."""
        service = stub(self._pools[stage].pick())
        method = service.Decode if stage == "codec" else service.Generate
        call = method(self._noting_failure(requests), timeout=self._timeout_s)
        self._calls.append(call)
        finished = False
        try:
            async for response in call:
                finished = response.WhichOneof("response") == "finished"
                if finished:
                    self._note_finished(stage, response.finished)
                else:
                    yield response
        except grpc.aio.AioRpcError as error:
            raise self._failure or from_rpc_error(error, stage) from error
        except asyncio.CancelledError:
            if self._failure is not None:  # the call was cancelled because what feeds it failed
                raise self._failure from None
            raise
        if not finished:
            raise StageFailed(f"the {stage} stage ended its stream without saying that it finished")

    async def _noting_failure(self, requests: Messages) -> Messages:
        """The same messages; remembers the first failure, which grpc would turn into a bare
        cancellation."""
        try:
            async for request in requests:
                yield request
        except BarkserveError as error:
            self._failure = self._failure or error
            raise

    def _note_finished(self, stage: StageName, finished: Any) -> None:
        self.spoken.reports[stage] = finished.report
        if stage == "semantic":
            self.spoken.finish_reason = finished.finish_reason
