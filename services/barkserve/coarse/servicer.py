"""CoarseService over gRPC: converts messages for the generator."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing

import numpy as np
from numpy.typing import NDArray

from barkserve.checkpoint.bark_config import BarkConfig
from barkserve.coarse.generator import CoarseGenerator, CoarseRequest, CoarseRun
from barkserve.coarse.windows import CoarseHistory, cut_history, no_history
from barkserve.serving import convert
from barkserve.serving.admission import Admission, Work
from barkserve.serving.metrics import Metrics
from barkserve.serving.rpc_context import RpcContext
from barkserve.v1 import coarse_pb2, coarse_pb2_grpc, common_pb2

Response = coarse_pb2.CoarseServiceGenerateResponse


class CoarseServicer(coarse_pb2_grpc.CoarseServiceServicer):
    """barkserve.v1.CoarseService."""

    def __init__(
        self, generator: CoarseGenerator, config: BarkConfig, admission: Admission, metrics: Metrics
    ) -> None:
        self._generator = generator
        self._geometry = generator.geometry
        self._defaults = config.coarse_generation.sampling
        self._semantic_rate_hz = config.semantic_generation.semantic_rate_hz
        self._frame_rate = config.codec.frame_rate
        self._code_limit = config.coarse_code_limit
        self._admission = admission
        self._metrics = metrics

    async def Generate(
        self,
        request_iterator: AsyncIterator[coarse_pb2.CoarseServiceGenerateRequest],
        context: RpcContext,
    ) -> AsyncGenerator[Response, None]:
        """Generate the coarse codes of one utterance."""
        with self._admission.stream() as work:
            await convert.admit(context, self._admission.checkpoint_revision)
            opening = await convert.next_request(
                request_iterator, "config", "a CoarseConfig", self._admission.first_message_s
            )
            config = opening.config
            request, run = self._request(config), CoarseRun()
            work.given_s = -len(request.produced) / self._frame_rate
            semantic = self._semantic(request_iterator, work)
            async with aclosing(self._generator.generate(request, semantic, run)) as steps:
                async for frames in steps:
                    self._metrics.produced(frames.size)
                    work.made_s += len(frames) / self._frame_rate
                    yield Response(frames=coarse_pb2.CoarseFrames(codes=frames.ravel()))
            yield Response(finished=coarse_pb2.CoarseFinished(report=_report(run)))

    async def _semantic(
        self, requests: AsyncIterator[coarse_pb2.CoarseServiceGenerateRequest], work: Work
    ) -> AsyncIterator[list[int]]:
        limit = self._geometry.semantic_vocab_size
        limit_s = self._admission.input_idle_s
        async for request in convert.further_requests(requests, "semantic", limit_s):
            work.given_s += len(request.semantic.tokens) / self._semantic_rate_hz
            yield convert.tokens(request.semantic.tokens, limit, "semantic.tokens").tolist()

    def _request(self, config: coarse_pb2.CoarseConfig) -> CoarseRequest:
        return CoarseRequest(
            history=self._history(config),
            sampling=convert.sampling_params(config.sampling, self._defaults),
            seed=convert.require_seed(config.seed),
            produced=self._frames(config.produced, self._code_limit, "produced"),
            speaking_rate=convert.speaking_rate(config.speaking_rate),
        )

    def _history(self, config: coarse_pb2.CoarseConfig) -> CoarseHistory:
        semantic = convert.tokens(
            config.semantic_prompt, self._geometry.semantic_vocab_size, "semantic_prompt"
        )
        coarse = self._frames(config.coarse_prompt, self._geometry.codebook_size, "coarse_prompt")
        convert.require(
            (len(semantic) == 0) == (len(coarse) == 0),
            "coarse_prompt",
            "give both semantic_prompt and coarse_prompt, or neither",
        )
        return cut_history(semantic, coarse, self._geometry) if len(coarse) else no_history()

    def _frames(self, values: Sequence[int], limit: int, field: str) -> NDArray[np.int64]:
        return convert.frames(values, self._geometry.codebooks, limit, field)


def _report(run: CoarseRun) -> common_pb2.StageReport:
    return common_pb2.StageReport(
        stage="coarse",
        output_count=run.made,
        queue_ms=convert.milliseconds(run.queue_s),
        compute_ms=convert.milliseconds(run.compute_s),
    )
