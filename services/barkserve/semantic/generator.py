"""Generates one utterance's semantic tokens on the engine."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from barkserve.checkpoint.bark_config import BarkConfig
from barkserve.constants import DrawStream
from barkserve.engine.draws import uniforms
from barkserve.engine.engine import Engine
from barkserve.engine.playback import Playback
from barkserve.engine.request import Request, SamplingParams, Watch
from barkserve.engine.warm_up import SAMPLING
from barkserve.semantic.alignment import TokenAlignment
from barkserve.semantic.alignment_head import AlignmentHeadFinder
from barkserve.semantic.prompt import append_produced, build_prompt

TOKENS_PER_MESSAGE = 4
"""80 ms of speech: a short delay for a quarter of the messages."""


@dataclass(frozen=True)
class AlignmentRequest:
    """How to align tokens and text.

    Attributes:
        last: index of the last text id that is spoken.
        max_tail: if so many tokens speak it, a quarter is kept and the utterance ends. 0: no limit.
    """

    last: int
    max_tail: int


@dataclass(frozen=True)
class SemanticRequest:
    """The parameters of one utterance.

    Attributes:
        text_ids: (t,) int64, from the text encoder.
        history: (h,) int64, the voice's semantic tokens; empty: no voice.
        sampling: how tokens are drawn.
        seed: seed of the draws.
        produced: (p,) int64, tokens of this utterance that exist already.
        max_tokens: most tokens of the utterance, produced ones included.
        alignment: how to align tokens with the text; None: no alignment.
        speaking_rate: how fast the speech is played.
    """

    text_ids: NDArray[np.int64]
    history: NDArray[np.int64]
    sampling: SamplingParams
    seed: int
    produced: NDArray[np.int64]
    max_tokens: int
    alignment: AlignmentRequest | None = None
    speaking_rate: float = 1.0


@dataclass(frozen=True)
class SemanticStep:
    """The next part of a generation.

    Attributes:
        tokens: the next tokens.
        positions: with alignment, the index of the text id that each of the next tokens speaks.
            They count from the utterance's start, produced tokens included, and can trail `tokens`.
    """

    tokens: list[int]
    positions: list[int]


class _HeldStep:
    """Tokens and positions that are not sent yet, because the utterance may end before them.

    Args:
        made: tokens of the utterance that exist already. Their positions are sent again.
    """

    def __init__(self, made: int) -> None:
        self._tokens: list[int] = []
        self._positions: list[int] = []
        self._sent_tokens, self._sent_positions = made, 0

    def add(self, tokens: list[int], positions: list[int]) -> None:
        """Add the next tokens and positions."""
        self._tokens += tokens
        self._positions += positions

    def take(self, end: int) -> SemanticStep:
        """Remove those of the first `end` tokens of the utterance."""
        tokens = self._tokens[: max(0, end - self._sent_tokens)]
        positions = self._positions[: max(0, end - self._sent_positions)]
        del self._tokens[: len(tokens)], self._positions[: len(positions)]
        self._sent_tokens += len(tokens)
        self._sent_positions += len(positions)
        return SemanticStep(tokens, positions)


@dataclass
class SemanticRun:
    """Counts of one utterance, updated while it runs."""

    stopped: bool = False  # the model drew the end-of-sequence token
    made: int = 0  # tokens of the utterance, produced ones included
    queue_s: float = 0.0
    compute_s: float = 0.0


class SemanticGenerator:
    """Generates utterances with the semantic model."""

    def __init__(self, engine: Engine, config: BarkConfig, heads: AlignmentHeadFinder) -> None:
        self._engine = engine
        self._heads = heads
        self._generation = config.semantic_generation
        positions = config.semantic.block_size - self._generation.prompt_length
        self.max_tokens = min(
            self._generation.max_new_tokens, positions + 1
        )  # the last token is not fed back

    async def generate(
        self, request: SemanticRequest, run: SemanticRun
    ) -> AsyncGenerator[SemanticStep, None]:
        """Generate an utterance.

        Args:
            request: the parameters.
            run: receives the counts.

        Yields:
            Tokens as they are drawn, without the end-of-sequence token.
        """
        run.made = len(request.produced)
        if request.alignment is not None:
            steps = self._aligned(request, request.alignment, run)
        elif run.made < request.max_tokens:
            steps = self._plain(request, run)
        else:
            return
        async with aclosing(steps):
            async for step in steps:
                run.made += len(step.tokens)
                yield step

    def warm_up(self) -> AsyncGenerator[SemanticStep, None]:
        """Generate a few meaningless tokens, with a voice."""
        nothing = np.empty(0, dtype=np.int64)
        voice = np.zeros(self._generation.max_input_semantic_length, dtype=np.int64)
        max_tokens = min(4 * TOKENS_PER_MESSAGE, self.max_tokens)
        request = SemanticRequest(nothing, voice, SAMPLING, 0, nothing, max_tokens)
        return self.generate(request, SemanticRun())

    async def _plain(
        self, request: SemanticRequest, run: SemanticRun
    ) -> AsyncGenerator[SemanticStep, None]:
        engine_request = self._engine_request(request, None)
        async with aclosing(self._tokens(engine_request, run)) as parts:
            async for tokens in parts:
                yield SemanticStep(tokens, [])

    async def _aligned(
        self, request: SemanticRequest, options: AlignmentRequest, run: SemanticRun
    ) -> AsyncGenerator[SemanticStep, None]:
        head, width = await self._heads.head(), len(request.text_ids)
        watch = Watch(((head.layer, head.head),), self._generation.prompt_length - 1, width)
        engine_request = self._engine_request(request, watch)
        alignment = TokenAlignment(
            width, head.lag, options.last, options.max_tail, request.max_tokens
        )
        alignment.push(len(request.produced))
        held = _HeldStep(run.made)
        async with aclosing(self._tokens(engine_request, run)) as parts:
            async for tokens in parts:
                alignment.add_attention(engine_request.attention)
                kept = alignment.push(min(len(tokens), request.max_tokens - alignment.tokens))
                held.add(tokens[:kept], alignment.certain())
                yield held.take(alignment.sendable)
                if kept < len(tokens) or alignment.full:
                    break
        alignment.add_attention(engine_request.attention)
        end = alignment.sendable if alignment.full else alignment.tokens
        run.stopped = engine_request.stopped and end < request.max_tokens and not alignment.full
        held.add([], alignment.rest())
        yield held.take(end)

    async def _tokens(
        self, engine_request: Request, run: SemanticRun
    ) -> AsyncGenerator[list[int], None]:
        try:
            async with aclosing(self._engine.generate(engine_request)) as parts:
                async for tokens in parts:
                    yield tokens
        finally:
            run.stopped = engine_request.stopped
            run.queue_s, run.compute_s = engine_request.queue_s, engine_request.compute_s

    def _engine_request(self, request: SemanticRequest, watch: Watch | None) -> Request:
        made = len(request.produced)
        left = max(1, request.max_tokens - made)  # one more step sees the last tokens
        prompt = build_prompt(request.text_ids, request.history, self._generation)
        return Request(
            prompt=append_produced(prompt, request.produced),
            max_tokens=left,
            sampling=request.sampling,
            uniforms=uniforms(request.seed, DrawStream.SEMANTIC, made, left),
            stop_token=self._generation.semantic_pad_token,
            report_every=TOKENS_PER_MESSAGE,
            watch=watch,
            playback=Playback(self._generation.semantic_rate_hz * request.speaking_rate),
        )


def semantic_head(config: BarkConfig) -> NDArray[np.int64]:
    """Return the ids to choose from, (V,) int64: all semantic tokens and the stop token."""
    generation = config.semantic_generation
    ids = np.arange(generation.semantic_vocab_size, dtype=np.int64)
    return np.union1d(ids, [generation.semantic_pad_token])
