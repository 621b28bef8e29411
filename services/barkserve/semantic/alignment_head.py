"""Finds the semantic model's alignment head, for checkpoints that do not name it.

An alignment head attends to one letter after the other, from the first to the last. The search
generates some sentences and chooses the head with the most likely monotonic path. Its lag is
measured against an even speaking rate.
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
from barkserve.semantic.alignment import MAX_ADVANCE, advance, first_scores
from barkserve.semantic.prompt import append_produced, build_prompt

SENTENCES = (
    "We walked along the river until it was dark, and then we took the last train home.",
    "She asked him twice, but he could not remember the name of the street.",
    "Please open the window and tell me what you can see from there.",
    "Most of the houses in this town were built before the war.",
    "Where did you put the keys?",
    "Hello you",
)
"""The sentences to generate. Those that are too long for a checkpoint are skipped."""

MAX_TOKENS = 300
"""6 s: longer than any of the sentences, unless generation fails to stop."""

LEAD, TAIL = 3, 7
"""Assumed tokens of silence at the start and the end of an utterance: 60 and 140 ms."""

Ids = NDArray[np.int64]


class AlignmentHeadFinder:
    """Gets the alignment head from the checkpoint's config, or finds it at the first use.

    Args:
        engine: runs the semantic model.
        config: the checkpoint's config.
        encode: converts a text to (t,) ids; raises InvalidArgument if it is too long.
    """

    def __init__(self, engine: Engine, config: BarkConfig, encode: Callable[[str], Ids]) -> None:
        self._engine = engine
        self._config = config
        self._encode = encode
        self._found = config.alignment_head
        self._finding = asyncio.Lock()

    async def head(self) -> AlignmentHead:
        """Return the head. It is the same for every replica of a checkpoint."""
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
        """Generate a sentence; return its attention (all layers' heads, tokens, positions)."""
        model, generation = self._config.semantic, self._config.semantic_generation
        prompt = build_prompt(text_ids, np.empty(0, dtype=np.int64), generation)
        tokens = await self._run(prompt, min(MAX_TOKENS, generation.max_new_tokens), None)
        layers, heads = range(model.num_layers), range(model.num_heads)
        every = tuple((layer, head) for layer in layers for head in heads)
        watch = Watch(every, first=len(prompt) - 1, width=len(text_ids))
        spoken = append_produced(prompt, np.array(tokens.tokens[:-1], dtype=np.int64))
        return (await self._run(spoken, 1, watch)).attention[0]

    async def _run(self, prompt: Ids, max_tokens: int, watch: Watch | None) -> Request:
        defaults = self._config.semantic_generation
        sampling = SamplingParams(
            defaults.sampling.temperature,
            defaults.sampling.top_k,
            defaults.sampling.top_p,
            defaults.sampling.greedy,
            defaults.min_eos_p,
        )
        stop = defaults.semantic_pad_token
        draws = uniforms(0, DrawStream.SEMANTIC, 0, max_tokens)
        request = Request(prompt, max_tokens, sampling, draws, stop_token=stop, watch=watch)
        async with aclosing(self._engine.generate(request)) as steps:
            async for _ in steps:
                pass
        return request


def choose_head(attention: Sequence[NDArray[np.float32]], heads: int) -> AlignmentHead:
    """Choose the head with the most likely monotonic paths.

    Args:
        attention: of each sentence (all layers' heads, tokens, positions).
        heads: number of heads per layer.
    """
    score = np.zeros(len(attention[0]))
    lags: list[NDArray[np.float64]] = []
    for sentence in attention:
        paths, likelihood = whole_paths(sentence)
        score += likelihood + np.log(sentence.shape[2])  # relative to uniform attention
        lags.append(_lags(paths, sentence.shape[2]))
    best = int(score.argmax())
    lag = round(float(np.median([each[best] for each in lags])))
    return AlignmentHead(best // heads, best % heads, lag)


def whole_paths(
    attention: NDArray[np.float32],
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Find the most likely path of each head from the first position to the last.

    Args:
        attention: (heads, tokens, positions).

    Returns:
        The paths, (heads, tokens), and the mean log-likelihood per token of each, (heads,).
    """
    heads, tokens, width = attention.shape
    scores = first_scores(heads, width)
    moves = [advance(scores, attention[:, token]) for token in range(tokens)]
    end = min(width - 1, tokens * MAX_ADVANCE)
    paths = np.full((heads, tokens), end)
    rows = np.arange(heads)
    for token in range(tokens - 1, 0, -1):
        paths[:, token - 1] = paths[:, token] - moves[token][rows, paths[:, token]]
    return paths, scores[:, end] / tokens


def _lags(paths: NDArray[np.int64], width: int) -> NDArray[np.float64]:
    """Return by how many tokens each path lags an even speaking rate (below 0: leads), (heads,)."""
    tokens = paths.shape[1]
    even = LEAD + np.arange(width) * (tokens - LEAD - TAIL) / width
    reached = np.array([np.searchsorted(path, np.arange(width)) for path in paths])
    lags: NDArray[np.float64] = np.median(reached - even, axis=1)
    return lags
