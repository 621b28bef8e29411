"""Finds the attention head that tells where in the text the model is, for checkpoints that do not
name it.

A head that aligns looks at one letter after the other, from the first to the last, while the
utterance goes on. So some sentences are spoken, and the head wins whose attention is likeliest
along such a path; how far it looks ahead shows beside an even pace.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import aclosing, suppress

import numpy as np
from numpy.typing import NDArray

from barkserve.checkpoint.bark_config import AlignmentHead, BarkConfig
from barkserve.constants import DrawStream
from barkserve.engine.draws import uniforms
from barkserve.engine.engine import Engine
from barkserve.engine.request import Request, SamplingParams, Watch
from barkserve.errors import InvalidArgument
from barkserve.semantic.alignment import MOST_ON, advance, first_scores
from barkserve.semantic.prompt import append_produced, build_prompt

SENTENCES = (
    "We walked along the river until it was dark, and then we took the last train home.",
    "She asked him twice, but he could not remember the name of the street.",
    "Please open the window and tell me what you can see from there.",
    "Most of the houses in this town were built before the war.",
    "Where did you put the keys?",
    "Hello you",
)
"""Those that are too long for a checkpoint are left out."""

MOST_TOKENS = 300
"""6 s: more than any of the sentences takes, unless it is spoken badly."""

LEAD, TAIL = 3, 7
"""Tokens of silence that an utterance is taken to begin and to end with: 60 and 140 ms."""

Ids = NDArray[np.int64]


class AlignmentHeadFinder:
    """The alignment head of a checkpoint: named by it, or found when it is first asked for.

    Args:
        engine: runs the semantic model.
        config: of the checkpoint.
        encode: makes (t,) ids of a text, InvalidArgument if it is too long.
    """

    def __init__(self, engine: Engine, config: BarkConfig, encode: Callable[[str], Ids]) -> None:
        self._engine = engine
        self._config = config
        self._encode = encode
        self._found = config.alignment_head
        self._finding = asyncio.Lock()

    async def head(self) -> AlignmentHead:
        """The head; the same for every replica of a checkpoint."""
        async with self._finding:
            if self._found is None:
                attention = [await self._attention(ids) for ids in self._texts()]
                self._found = choose_head(attention, self._config.semantic.num_heads)
            return self._found

    def _texts(self) -> Iterator[Ids]:
        for sentence in SENTENCES:
            with suppress(InvalidArgument):
                yield self._encode(sentence)

    async def _attention(self, text_ids: Ids) -> NDArray[np.float32]:
        """(heads of all layers, tokens, text positions) while a sentence is spoken."""
        model, generation = self._config.semantic, self._config.semantic_generation
        prompt = build_prompt(text_ids, np.empty(0, dtype=np.int64), generation)
        tokens = await self._run(prompt, min(MOST_TOKENS, generation.max_new_tokens), None)
        layers, heads = range(model.num_layers), range(model.num_heads)
        every = tuple((layer, head) for layer in layers for head in heads)
        watch = Watch(every, first=len(prompt) - 1, width=len(text_ids))
        spoken = append_produced(prompt, np.array(tokens.tokens[:-1], dtype=np.int64))
        return (await self._run(spoken, 1, watch)).attention[0]

    async def _run(self, prompt: Ids, most: int, watch: Watch | None) -> Request:
        defaults = self._config.semantic_generation
        sampling = SamplingParams(
            defaults.sampling.temperature,
            defaults.sampling.top_k,
            defaults.sampling.top_p,
            defaults.sampling.greedy,
            defaults.min_eos_p,
        )
        stop = defaults.semantic_pad_token
        draws = uniforms(0, DrawStream.SEMANTIC, 0, most)
        sequence = Request(prompt, most, sampling, draws, stop_token=stop, watch=watch)
        async with aclosing(self._engine.generate(sequence)) as steps:
            async for _ in steps:
                pass
        return sequence


def choose_head(attention: Sequence[NDArray[np.float32]], heads: int) -> AlignmentHead:
    """The head that reads the texts most clearly from the first position to the last.

    Args:
        attention: of each sentence (heads of all layers, tokens, text positions).
        heads: in each layer.
    """
    clearness = np.zeros(len(attention[0]))
    lags: list[NDArray[np.float64]] = []
    for sentence in attention:
        paths, likelihood = whole_paths(sentence)
        clearness += likelihood + np.log(sentence.shape[2])  # above looking everywhere alike
        lags.append(_lags(paths, sentence.shape[2]))
    best = int(clearness.argmax())
    lag = round(float(np.median([each[best] for each in lags])))
    return AlignmentHead(best // heads, best % heads, lag)


def whole_paths(
    attention: NDArray[np.float32],
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The likeliest paths from the first position to the last: (heads, tokens), and the mean
    log-likelihood of a token on each: (heads,).
    """
    heads, tokens, width = attention.shape
    scores = first_scores(heads, width)
    moves = [advance(scores, attention[:, token]) for token in range(tokens)]
    end = min(width - 1, tokens * MOST_ON)
    paths = np.full((heads, tokens), end)
    rows = np.arange(heads)
    for token in range(tokens - 1, 0, -1):
        paths[:, token - 1] = paths[:, token] - moves[token][rows, paths[:, token]]
    return paths, scores[:, end] / tokens


def _lags(paths: NDArray[np.int64], width: int) -> NDArray[np.float64]:
    """By how many tokens each path runs ahead of (below 0) or behind an even pace: (heads,)."""
    tokens = paths.shape[1]
    even = LEAD + np.arange(width) * (tokens - LEAD - TAIL) / width
    reached = np.array([np.searchsorted(path, np.arange(width)) for path in paths])
    lags: NDArray[np.float64] = np.median(reached - even, axis=1)
    return lags
