"""FineService over gRPC: converts messages for the generator."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from barkserve.checkpoint.bark_config import BarkConfig, SamplingDefaults
from barkserve.fine.chunk_planner import ChunkPlanner
from barkserve.fine.generator import FineGenerator, FineRequest, FineRun
from barkserve.fine.windows import ChunkPlan
from barkserve.serving import convert
from barkserve.serving.admission import Admission, Work
from barkserve.serving.metrics import Metrics
from barkserve.serving.rpc_context import RpcContext
from barkserve.v1 import common_pb2, fine_pb2, fine_pb2_grpc

Response = fine_pb2.FineServiceGenerateResponse

MAX_LOOKAHEAD = 512
MAX_GROWTH = 100


class FineServicer(fine_pb2_grpc.FineServiceServicer):
    """barkserve.v1.FineService."""

    def __init__(
        self,
        generator: FineGenerator,
        config: BarkConfig,
        planner: ChunkPlanner,
        admission: Admission,
        metrics: Metrics,
    ) -> None:
        self._generator = generator
        self._config = config
        self._frame_rate = config.codec.frame_rate
        self._planner = planner
        self._admission = admission
        self._metrics = metrics

    async def Generate(
        self,
        request_iterator: AsyncIterator[fine_pb2.FineServiceGenerateRequest],
        context: RpcContext,
    ) -> AsyncGenerator[Response, None]:
        """Generate the remaining codebooks of one utterance."""
        with self._admission.stream() as work:
            await convert.admit(context, self._admission.checkpoint_revision)
            opening = await convert.next_request(
                request_iterator, "config", "a FineConfig", self._admission.first_message_s
            )
            config = opening.config
            request, run = self._request(config), FineRun()
            work.given_s = -len(request.produced) / self._frame_rate
            coarse = self._coarse(request_iterator, work)
            async with aclosing(self._generator.generate(request, coarse, run)) as steps:
                async for frames in steps:
                    self._metrics.produced(len(frames))
                    work.made_s += len(frames) / self._frame_rate
                    yield Response(frames=fine_pb2.FineFrames(codes=frames.ravel()))
            yield Response(finished=fine_pb2.FineFinished(report=_report(run)))

    async def _coarse(
        self, requests: AsyncIterator[fine_pb2.FineServiceGenerateRequest], work: Work
    ) -> AsyncIterator[NDArray[np.int64]]:
        books = self._config.coarse_generation.n_coarse_codebooks
        limit_s = self._admission.input_idle_s
        async for request in convert.further_requests(requests, "coarse", limit_s):
            work.given_s += len(request.coarse.codes) / books / self._frame_rate
            yield convert.frames(
                request.coarse.codes, books, self._config.coarse_code_limit, "coarse.codes"
            )

    def _request(self, config: fine_pb2.FineConfig) -> FineRequest:
        return FineRequest(
            history=self._frames(config.fine_prompt, "fine_prompt"),
            temperature=self._temperature(config.sampling),
            seed=convert.require_seed(config.seed),
            chunks=self._chunk_plan(config),
            produced=self._frames(config.produced, "produced"),
            speaking_rate=convert.speaking_rate(config.speaking_rate),
        )

    def _temperature(self, message: common_pb2.Sampling) -> float | None:
        """Return the temperature; None: greedy.

        As in the reference, a temperature of exactly 1 is greedy as well.
        """
        generation = self._config.fine_generation
        defaults = SamplingDefaults(
            temperature=generation.temperature or 1.0, greedy=generation.greedy
        )
        params = convert.sampling_params(message, defaults)
        return None if params.greedy or params.temperature == 1.0 else params.temperature

    def _chunk_plan(self, config: fine_pb2.FineConfig) -> ChunkPlan | None:
        if config.delivery_mode == common_pb2.DELIVERY_MODE_EXACT:
            return None
        plan = self._planner.plan
        if config.HasField("chunk_plan"):
            plan = self._planner.checked(_chunk_plan(config.chunk_plan))
        if not config.HasField("lookahead_frames"):
            return plan
        return replace(plan, lookahead=_lookahead(config.lookahead_frames, "lookahead_frames"))

    def _frames(self, values: Sequence[int], field: str) -> NDArray[np.int64]:
        books = self._config.fine_generation.n_fine_codebooks
        return convert.frames(values, books, self._config.codebook_size, field)


def _chunk_plan(message: common_pb2.ChunkPlan) -> ChunkPlan:
    convert.require(message.first_frames >= 1, "chunk_plan.first_frames", "must be at least 1")
    convert.require(
        1 <= message.growth <= MAX_GROWTH, "chunk_plan.growth", f"must be 1 to {MAX_GROWTH}"
    )
    convert.require(message.max_frames >= 1, "chunk_plan.max_frames", "must be at least 1")
    return ChunkPlan(
        message.first_frames,
        message.growth,
        message.max_frames,
        _lookahead(message.lookahead_frames, "chunk_plan.lookahead_frames"),
    )


def _lookahead(frames: int, field: str) -> int:
    convert.require(0 <= frames <= MAX_LOOKAHEAD, field, f"must be 0 to {MAX_LOOKAHEAD}")
    return frames


def _report(run: FineRun) -> common_pb2.StageReport:
    return common_pb2.StageReport(
        stage="fine", output_count=run.made, compute_ms=convert.milliseconds(run.compute_s)
    )
