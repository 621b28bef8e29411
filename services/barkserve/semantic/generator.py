"""Speaks one utterance's semantic tokens on the engine. Knows Bark's numbers; knows no gRPC and no
text."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from barkserve.bark_config import BarkConfig
from barkserve.constants import DrawStream
from barkserve.engine.draws import uniforms
from barkserve.engine.engine import Engine
from barkserve.engine.sequence import SamplingParams, Sequence
from barkserve.semantic.prompt import append_produced, build_prompt

TOKENS_A_MESSAGE = 4
"""80 ms of speech: little to wait for, and a quarter of the messages."""


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
    """

    text_ids: NDArray[np.int64]
    history: NDArray[np.int64]
    sampling: SamplingParams
    seed: int
    produced: NDArray[np.int64]
    max_tokens: int


@dataclass
class SemanticRun:
    """What became of a generation; filled while it runs."""

    stopped: bool = False  # the network ended the utterance by itself
    made: int = 0  # tokens of the utterance, produced ones counted
    queue_s: float = 0.0
    compute_s: float = 0.0


class SemanticGenerator:
    """Turns requests into sequences of the semantic network."""

    def __init__(self, engine: Engine, config: BarkConfig) -> None:
        self._engine = engine
        self._generation = config.semantic_generation
        positions = config.semantic.block_size - self._generation.prompt_length
        self.max_tokens = min(self._generation.max_new_tokens, positions + 1)  # the last is not fed

    async def generate(
        self, request: SemanticRequest, run: SemanticRun
    ) -> AsyncGenerator[list[int], None]:
        """Yields tokens as they are made, without the end-of-sequence token. Fills `run`."""
        run.made = len(request.produced)
        left = request.max_tokens - len(request.produced)
        if left <= 0:
            return
        sequence = self._sequence(request, left)
        try:
            async with aclosing(self._engine.generate(sequence)) as steps:
                async for tokens in steps:
                    run.made += len(tokens)
                    yield tokens
        finally:
            run.stopped = sequence.stopped
            run.queue_s, run.compute_s = sequence.queue_s, sequence.compute_s

    def _sequence(self, request: SemanticRequest, left: int) -> Sequence:
        prompt = build_prompt(request.text_ids, request.history, self._generation)
        return Sequence(
            prompt=append_produced(prompt, request.produced),
            max_tokens=left,
            sampling=request.sampling,
            uniforms=uniforms(request.seed, DrawStream.SEMANTIC, len(request.produced), left),
            stop_token=self._generation.semantic_pad_token,
            report_every=TOKENS_A_MESSAGE,
        )


def semantic_head(config: BarkConfig) -> NDArray[np.int64]:
    """(V,) int64: the ids that the semantic network may choose: all tokens, and the end of the
    sequence."""
    generation = config.semantic_generation
    ids = np.arange(generation.semantic_vocab_size, dtype=np.int64)
    return np.union1d(ids, [generation.semantic_pad_token])
