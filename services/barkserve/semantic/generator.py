"""Speaks one utterance's semantic tokens on the engine. Knows Bark's numbers; knows no gRPC and no
text.
"""

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
from barkserve.semantic.alignment import TokenAlignment
from barkserve.semantic.alignment_head import AlignmentHeadFinder
from barkserve.semantic.prompt import append_produced, build_prompt

TOKENS_PER_MESSAGE = 4
"""80 ms of speech: little to wait for, and a quarter of the messages."""


@dataclass(frozen=True)
class AlignmentRequest:
    """How to align tokens and text.

    Attributes:
        last: index of the last text id that is spoken aloud.
        max_tail: tokens that may speak it; the utterance ends with the last. 0: any number.
    """

    last: int
    max_tail: int


@dataclass(frozen=True)
class SemanticRequest:
    """What to speak.

    Attributes:
        text_ids: (t,) int64, from the text encoder.
        history: (h,) int64, the voice's semantic tokens, empty for none.
        sampling: how tokens are drawn.
        seed: names the draws.
        produced: (p,) int64, tokens of this utterance that exist already.
        max_tokens: most tokens of the utterance, produced ones counted.
        alignment: say which text id each token speaks; None: do not.
    """

    text_ids: NDArray[np.int64]
    history: NDArray[np.int64]
    sampling: SamplingParams
    seed: int
    produced: NDArray[np.int64]
    max_tokens: int
    alignment: AlignmentRequest | None = None


@dataclass(frozen=True)
class SemanticStep:
    """What a generation yields.

    Attributes:
        tokens: the next ones.
        places: with alignment, for the next tokens from the utterance's start on, produced ones
            included, the index of the text id that each speaks; they may trail the tokens.
    """

    tokens: list[int]
    places: list[int]


@dataclass
class SemanticRun:
    """What became of a generation; filled while it runs."""

    stopped: bool = False  # the model ended the utterance by itself
    made: int = 0  # tokens of the utterance, produced ones counted
    queue_s: float = 0.0
    compute_s: float = 0.0


class SemanticGenerator:
    """Turns requests into sequences of the semantic model."""

    def __init__(self, engine: Engine, config: BarkConfig, heads: AlignmentHeadFinder) -> None:
        self._engine = engine
        self._heads = heads
        self._generation = config.semantic_generation
        positions = config.semantic.block_size - self._generation.prompt_length
        self.max_tokens = min(self._generation.max_new_tokens, positions + 1)  # the last is not fed

    async def generate(
        self, request: SemanticRequest, run: SemanticRun
    ) -> AsyncGenerator[SemanticStep, None]:
        """Yields tokens as they are made, without the end-of-sequence token. Fills `run`."""
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
        """A few tokens, to be thrown away."""
        nothing = np.empty(0, dtype=np.int64)
        most = min(4 * TOKENS_PER_MESSAGE, self.max_tokens)
        request = SemanticRequest(nothing, nothing, SamplingParams(), 0, nothing, most)
        return self.generate(request, SemanticRun())

    async def _plain(
        self, request: SemanticRequest, run: SemanticRun
    ) -> AsyncGenerator[SemanticStep, None]:
        sequence = self._sequence(request, None)
        async with aclosing(self._tokens(sequence, run)) as parts:
            async for tokens in parts:
                yield SemanticStep(tokens, [])

    async def _aligned(
        self, request: SemanticRequest, wanted: AlignmentRequest, run: SemanticRun
    ) -> AsyncGenerator[SemanticStep, None]:
        head, width = await self._heads.head(), len(request.text_ids)
        watch = Watch(((head.layer, head.head),), self._generation.prompt_length - 1, width)
        sequence = self._sequence(request, watch)
        alignment = TokenAlignment(
            width, head.lag, wanted.last, wanted.max_tail, request.max_tokens
        )
        alignment.push(len(request.produced))
        async with aclosing(self._tokens(sequence, run)) as parts:
            async for tokens in parts:
                alignment.see(sequence.attention)
                kept = alignment.push(min(len(tokens), request.max_tokens - run.made))
                yield SemanticStep(tokens[:kept], alignment.certain())
                if kept < len(tokens) or alignment.full:
                    break
        alignment.see(sequence.attention)
        run.stopped = sequence.stopped and run.made < request.max_tokens and not alignment.full
        yield SemanticStep([], alignment.rest())

    async def _tokens(self, sequence: Request, run: SemanticRun) -> AsyncGenerator[list[int], None]:
        try:
            async with aclosing(self._engine.generate(sequence)) as parts:
                async for tokens in parts:
                    yield tokens
        finally:
            run.stopped = sequence.stopped
            run.queue_s, run.compute_s = sequence.queue_s, sequence.compute_s

    def _sequence(self, request: SemanticRequest, watch: Watch | None) -> Request:
        made = len(request.produced)
        left = max(1, request.max_tokens - made)  # one step more looks at the last tokens
        prompt = build_prompt(request.text_ids, request.history, self._generation)
        return Request(
            prompt=append_produced(prompt, request.produced),
            max_tokens=left,
            sampling=request.sampling,
            uniforms=uniforms(request.seed, DrawStream.SEMANTIC, made, left),
            stop_token=self._generation.semantic_pad_token,
            report_every=TOKENS_PER_MESSAGE,
            watch=watch,
            playback=Playback(self._generation.semantic_rate_hz),
        )


def semantic_head(config: BarkConfig) -> NDArray[np.int64]:
    """(V,) int64: the ids that the semantic model may choose: all tokens, and the end of the
    sequence.
    """
    generation = config.semantic_generation
    ids = np.arange(generation.semantic_vocab_size, dtype=np.int64)
    return np.union1d(ids, [generation.semantic_pad_token])
