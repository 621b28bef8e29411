"""CodecService over gRPC: converts messages for the generator."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

import numpy as np
from numpy.typing import NDArray

from barkserve.checkpoint.bark_config import BarkConfig
from barkserve.codec.generator import CodecGenerator, CodecRun
from barkserve.serving import convert
from barkserve.serving.admission import Admission, Work
from barkserve.serving.metrics import Metrics
from barkserve.serving.rpc_context import RpcContext
from barkserve.v1 import codec_pb2, codec_pb2_grpc, common_pb2


class CodecServicer(codec_pb2_grpc.CodecServiceServicer):
    """barkserve.v1.CodecService."""

    def __init__(
        self, generator: CodecGenerator, config: BarkConfig, admission: Admission, metrics: Metrics
    ) -> None:
        self._generator = generator
        self._books = config.fine_generation.n_fine_codebooks
        self._codebook_size = config.codebook_size
        self._sample_rate = config.codec.sample_rate
        self._frame_rate = config.codec.frame_rate
        self._admission = admission
        self._metrics = metrics

    async def Decode(
        self,
        request_iterator: AsyncIterator[codec_pb2.DecodeRequest],
        context: RpcContext,
    ) -> AsyncGenerator[codec_pb2.DecodeResponse, None]:
        """Decode one utterance."""
        with self._admission.stream() as work:
            await convert.admit(context, self._admission.checkpoint_revision)
            opening = await convert.next_request(
                request_iterator, "config", "a CodecConfig", self._admission.first_message_s
            )
            config = opening.config
            convert.require(config.produced_samples >= 0, "produced_samples", "must be 0 or more")
            rate = convert.speaking_rate(config.speaking_rate)
            work.given_s = -config.produced_samples / self._sample_rate
            frames, run = self._frames(request_iterator, work), CodecRun()
            async with aclosing(
                self._generator.generate(frames, config.produced_samples, run, rate)
            ) as steps:
                async for samples in steps:
                    self._metrics.produced(len(samples))
                    work.made_s += len(samples) / self._sample_rate
                    yield codec_pb2.DecodeResponse(samples=self._samples(samples))
            yield codec_pb2.DecodeResponse(finished=codec_pb2.CodecFinished(report=_report(run)))

    async def _frames(
        self, requests: AsyncIterator[codec_pb2.DecodeRequest], work: Work
    ) -> AsyncIterator[NDArray[np.int64]]:
        limit_s = self._admission.input_idle_s
        async for request in convert.further_requests(requests, "frames", limit_s):
            work.given_s += len(request.frames.codes) / self._books / self._frame_rate
            yield convert.frames(
                request.frames.codes, self._books, self._codebook_size, "frames.codes"
            )

    def _samples(self, samples: NDArray[np.float32]) -> codec_pb2.Samples:
        return codec_pb2.Samples(
            pcm=samples.astype("<f4").tobytes(), sample_rate_hertz=self._sample_rate
        )


def _report(run: CodecRun) -> common_pb2.StageReport:
    return common_pb2.StageReport(
        stage="codec", output_count=run.made, compute_ms=convert.milliseconds(run.compute_s)
    )
