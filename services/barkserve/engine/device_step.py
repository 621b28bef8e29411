"""What the device computes for a batch of rows: a decode step, a draw, watched attention.

It runs inside of captured graphs. There it reads no tensor on the host.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from barkserve.engine.attention_watch import BatchWatch, step_attention
from barkserve.engine.batch import Integers
from barkserve.engine.heads import Heads
from barkserve.engine.row_state import Rows, RowState
from barkserve.engine.sampler import Warpers
from barkserve.engine.speculation import Speculation
from barkserve.models.causal import CausalModel, RecordQueries

_WATCH_BUCKET = 64  # widths of watches in captured graphs are multiples of it


class DeviceStep:
    """A causal model with its key/value cache, its output heads and the state of its rows.

    Args:
        model: the model, on its device, in its dtype.
        heads: for each head the token ids that it chooses from, each (V,) int64, ascending.
        slots: number of requests that can run at once.
        on_host: tensors can be read on the host at no cost.

    Attributes:
        spare: the slot of rows without a request.
        stops: whether requests have a stop token.
    """

    def __init__(
        self, model: CausalModel, heads: Sequence[Integers], slots: int, on_host: bool
    ) -> None:
        self.model = model.eval()
        self.device = model.lm_head.weight.device
        self.on_host = on_host
        self.spare = slots
        self.stops = len(heads) == 1  # tokens of several heads in turn have none that stops
        self.cache = model.new_cache(slots)
        self.state = RowState(slots, model.config.block_size, self.device)
        self.heads = Heads(model, heads, on_host)
        self._head_ids = heads

    def speculation(self) -> Speculation | None:
        """Make what draws several tokens of one row at once, if the model has drafts."""
        model = self.model
        if model.draft is None or not self.on_host or model.plan.deterministic:
            return None
        draft_heads = Heads(model.draft, self._head_ids, on_host=True)
        return Speculation(model, self.heads, model.draft, draft_heads, self.cache, self.state)

    def decode(self, rows: Rows, warpers: Warpers, watch: BatchWatch | None) -> tuple[Tensor, ...]:
        """Feed each row's last token and draw the next. Rows that have ended use the spare slot.

        Returns:
            (B,) int64 tokens, and with a watch attention, (B, heads, width) float32.
        """
        slots = rows.slots
        if not self.on_host:  # there a burst ends with the first of its rows
            slots = torch.where(rows.running > 0, slots, self.spare)
        queries: dict[int, Tensor] = {}
        record = recorder(queries, watch)
        hidden = self.model.decode(rows.token, slots, rows.length, self.cache, record)
        position = rows.length
        rows.length = rows.length + rows.running
        drawn = self.draw(hidden, rows, warpers)
        if watch is None:
            return (drawn,)
        last = {layer: each[:, :, 0] for layer, each in queries.items()}
        return drawn, self.attention(last, slots, position, watch)

    def draw(self, hidden: Tensor, rows: Rows, warpers: Warpers) -> Tensor:
        """Draw one token per row from its final state, (B, hidden). Returns (B,) int64."""
        return rows.record(self.heads.choose(hidden, self.state.uniform(rows), rows, warpers))

    def attention(
        self, queries: dict[int, Tensor], slots: Tensor, positions: Tensor, watch: BatchWatch
    ) -> Tensor:
        """(B, heads, width) float32: the attention of queries, by layer (B, H, D)."""
        longest = int(positions.max()) + 1 if self.on_host else self.cache.shape[4]
        keys = [
            self.cache[layer, 0, :, head, :longest].index_select(0, slots)
            for layer, head in watch.heads
        ]
        of_heads = [queries[layer][:, head] for layer, head in watch.heads]
        return step_attention(of_heads, keys, positions, watch.width)

    def captured_watch(self, watch: BatchWatch | None) -> BatchWatch | None:
        """Round a watch up, so that few graphs serve all."""
        if watch is None:
            return None
        width = min(-(-watch.width // _WATCH_BUCKET) * _WATCH_BUCKET, self.cache.shape[4])
        return BatchWatch(watch.heads, width)


def recorder(queries: dict[int, Tensor], watch: BatchWatch | None) -> RecordQueries | None:
    """Return what stores every layer's queries, if there is a watch."""
    return None if watch is None else queries.__setitem__
