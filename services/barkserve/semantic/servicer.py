"""SemanticService over gRPC: converts messages for the generator."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing

import numpy as np
from numpy.typing import NDArray

from barkserve.checkpoint.bark_config import BarkConfig
from barkserve.semantic.generator import (
    AlignmentRequest,
    SemanticGenerator,
    SemanticRequest,
    SemanticRun,
    SemanticStep,
)
from barkserve.semantic.text import TextEncoder
from barkserve.serving import convert
from barkserve.serving.admission import Admission
from barkserve.serving.metrics import Metrics
from barkserve.serving.rpc_context import RpcContext
from barkserve.v1 import common_pb2, semantic_pb2, semantic_pb2_grpc

Response = semantic_pb2.SemanticServiceGenerateResponse

CHARACTERS_PER_SECOND = 15
"""Approximate speaking rate, used to estimate the backlog."""

MAX_SKIPPED = 100


class SemanticServicer(semantic_pb2_grpc.SemanticServiceServicer):
    """barkserve.v1.SemanticService."""

    def __init__(
        self,
        generator: SemanticGenerator,
        encoder: TextEncoder,
        config: BarkConfig,
        admission: Admission,
        metrics: Metrics,
    ) -> None:
        self._generator = generator
        self._encoder = encoder
        self._generation = config.semantic_generation
        self._admission = admission
        self._metrics = metrics

    async def Generate(
        self,
        request_iterator: AsyncIterator[semantic_pb2.SemanticServiceGenerateRequest],
        context: RpcContext,
    ) -> AsyncGenerator[Response, None]:
        """Generate the semantic tokens of one utterance."""
        with self._admission.stream() as work:
            await convert.admit(context, self._admission.checkpoint_revision)
            opening = await convert.next_request(
                request_iterator, "config", "a SemanticConfig", self._admission.first_message_s
            )
            config = opening.config
            following = await convert.next_request(
                request_iterator,
                "text",
                "the text, right after the config,",
                self._admission.first_message_s,
            )
            text = following.text
            # In a thread: spelling a text out can take tens of milliseconds.
            request, characters = await asyncio.to_thread(self._request, config, text)
            skipped = await asyncio.to_thread(self._encoder.skipped, text)
            run = SemanticRun()
            work.given_s = len(text) / CHARACTERS_PER_SECOND
            async with aclosing(self._generator.generate(request, run)) as steps:
                async for step in steps:
                    self._metrics.produced(len(step.tokens))
                    work.made_s += len(step.tokens) / self._generation.semantic_rate_hz
                    yield Response(tokens=_tokens(step, characters))
            yield Response(finished=_finished(run, skipped))

    def _request(
        self, config: semantic_pb2.SemanticConfig, text: str
    ) -> tuple[SemanticRequest, NDArray[np.int64] | None]:
        """The checked request; with alignment, also the character of each of its text's ids."""
        vocabulary, most = self._generation.semantic_vocab_size, self._generator.max_tokens
        max_tokens = config.max_tokens or most
        convert.require(0 < max_tokens <= most, "max_tokens", f"must be 1 to {most}")
        produced = convert.tokens(config.produced, vocabulary, "produced")
        convert.require(
            len(produced) <= max_tokens,
            "produced",
            f"holds more than the {max_tokens} tokens allowed",
        )
        min_eos_p = config.min_eos_p if config.HasField("min_eos_p") else self._generation.min_eos_p
        request = SemanticRequest(
            text_ids=self._encoder.encode(text),
            history=convert.tokens(config.semantic_prompt, vocabulary, "semantic_prompt"),
            sampling=convert.sampling_params(config.sampling, self._generation.sampling, min_eos_p),
            seed=convert.require_seed(config.seed),
            produced=produced,
            max_tokens=max_tokens,
            alignment=self._alignment(config, text),
            speaking_rate=convert.speaking_rate(config.speaking_rate),
        )
        return request, self._encoder.locate(text) if config.alignment else None

    def _alignment(self, config: semantic_pb2.SemanticConfig, text: str) -> AlignmentRequest | None:
        convert.require(config.max_tail_tokens >= 0, "max_tail_tokens", "must be at least 0")
        if not config.alignment:
            convert.require(config.max_tail_tokens == 0, "max_tail_tokens", "needs alignment")
            return None
        return AlignmentRequest(self._encoder.last_spoken(text), config.max_tail_tokens)


def _tokens(
    step: SemanticStep, characters: NDArray[np.int64] | None
) -> semantic_pb2.SemanticTokens:
    spoken = None if characters is None else characters[step.positions].tolist()
    return semantic_pb2.SemanticTokens(tokens=step.tokens, characters=spoken)


def _finished(
    run: SemanticRun, skipped: Sequence[tuple[int, int]]
) -> semantic_pb2.SemanticFinished:
    reason = common_pb2.FINISH_REASON_STOP if run.stopped else common_pb2.FINISH_REASON_LENGTH
    report = common_pb2.StageReport(
        stage="semantic",
        output_count=run.made,
        queue_ms=convert.milliseconds(run.queue_s),
        compute_ms=convert.milliseconds(run.compute_s),
    )
    return semantic_pb2.SemanticFinished(
        finish_reason=reason,
        report=report,
        skipped=[
            semantic_pb2.CharacterSpan(start=start, end=end) for start, end in skipped[:MAX_SKIPPED]
        ],
    )
