"""Draws several tokens of one row with one pass of the model, on a CPU.

A decode step of one row takes the time to read the model's weights. Here a copy with smaller
weights drafts the next tokens, and one pass of the model checks them all. Each token is drawn from
the model's own logits, with the random number of its position. A draft counts only if it equals
that token, so drafts change the time and no distribution. Source: "Fast Inference from Transformers
via Speculative Decoding" (arXiv:2211.17192), where drafts are accepted at random instead.

A pass always has the same number of positions and attends over a multiple of ATTENDED ones. The
kernels then compute a position's bits in the same way, however many drafts came before it: one seed
gives one waveform.
"""

from dataclasses import replace

import torch
from torch import Tensor

from barkserve.engine.attention_watch import BatchWatch, step_attention
from barkserve.engine.draft_length import DraftLength
from barkserve.engine.heads import Heads
from barkserve.engine.row_state import Rows, RowState
from barkserve.engine.sampler import Warpers
from barkserve.models.attention.slots import PromptRows
from barkserve.models.causal import CausalModel

POSITIONS = 8
"""Positions of a pass. It takes 1.2 to 1.5 times as long as a decode step."""

ATTENDED = 512
"""torch's attention adds up this many keys at a time."""

Drawn = tuple[Tensor, ...]
"""One draw of one row: a token, (1,) int64, and with a watch attention, (1, heads, width)."""


class Speculation:
    """Draws tokens of one row.

    Args:
        model: the model.
        heads: of the model.
        draft: the model that drafts.
        draft_heads: the same heads of that model.
        cache: of the model. Drafts write to it, and the check after them overwrites that.
        state: the state of the rows.
    """

    def __init__(
        self,
        model: CausalModel,
        heads: Heads,
        draft: CausalModel,
        draft_heads: Heads,
        cache: Tensor,
        state: RowState,
    ) -> None:
        self._model = model
        self._heads = heads
        self._draft = draft
        self._draft_heads = draft_heads
        self._cache = cache
        self._state = state
        self._length = DraftLength(POSITIONS - 1)

    def fits(self, rows: Rows) -> bool:
        """Whether this is one row, with room for a pass in its slot."""
        return len(rows.slots) == 1 and int(rows.length) + POSITIONS <= self._cache.shape[4]

    def draw(self, rows: Rows, warpers: Warpers, watch: BatchWatch | None) -> list[Drawn]:
        """Draw the next tokens, at least one. The row fits, runs, and has draws left."""
        left = int(rows.limit - rows.drawn)
        drafts = self._drafts(rows, min(self._length.best, left - 1), warpers)
        queries: dict[int, Tensor] = {}
        hidden = self._check(rows, drafts, queries if watch else None)
        ahead = rows.next_draws(POSITIONS)  # those after the drafts mean nothing
        tokens = self._heads.choose(hidden, self._state.uniform(ahead), ahead, warpers)
        made = _accepted(tokens.tolist(), drafts, int(rows.stop))
        self._length.note(len(drafts), made - 1)
        if watch is None:
            attention: list[Drawn] = [()] * made
        else:
            attention = [(each,) for each in self._attention(queries, rows, made, watch)]
        rows.length = rows.length + made
        return [
            (rows.record(token), *more)
            for token, more in zip(torch.split(tokens[:made], 1), attention, strict=True)
        ]

    def _drafts(self, rows: Rows, count: int, warpers: Warpers) -> list[int]:
        """Draft up to `count` tokens."""
        row, drafts = replace(rows), list[int]()
        while len(drafts) < count and row.running:
            hidden = self._draft.decode(row.token, row.slots, row.length, self._cache)
            row.length = row.length + 1
            drawn = self._draft_heads.choose(hidden, self._state.uniform(row), row, warpers)
            row.record(drawn)
            drafts.append(int(row.token))
        return drafts

    def _check(self, rows: Rows, drafts: list[int], queries: dict[int, Tensor] | None) -> Tensor:
        """Run the pass: the last token, the drafts, and padding.

        Returns:
            (POSITIONS, hidden): the states from which the next tokens are drawn.
        """
        ids = torch.zeros((1, POSITIONS, 1), dtype=torch.int64)
        ids[0, : len(drafts) + 1, 0] = torch.tensor([int(rows.token), *drafts])
        end = int(rows.length) + POSITIONS
        longest = min(-(-end // ATTENDED) * ATTENDED, self._cache.shape[4])
        places = PromptRows(rows.slots, rows.length, None, longest, fresh=False)
        record = None if queries is None else queries.__setitem__
        return self._model.states(ids, places, self._cache, record)[0]

    def _attention(
        self, queries: dict[int, Tensor], rows: Rows, made: int, watch: BatchWatch
    ) -> tuple[Tensor, ...]:
        """The attention of the first positions of a pass, each (1, heads, width) float32."""
        slot, start = int(rows.slots), int(rows.length)
        keys = [
            self._cache[layer, 0, slot, head, : start + made].expand(made, -1, -1)
            for layer, head in watch.heads
        ]
        of_heads = [queries[layer][0, head, :made] for layer, head in watch.heads]
        positions = torch.arange(start, start + made)
        return torch.split(step_attention(of_heads, keys, positions, watch.width), 1)


def _accepted(tokens: list[int], drafts: list[int], stop: int) -> int:
    """Return how many tokens count: up to the first that differs from its draft, or stops."""
    for number, draft in enumerate(drafts):
        if tokens[number] != draft or draft == stop:
            return number + 1
    return len(drafts) + 1
