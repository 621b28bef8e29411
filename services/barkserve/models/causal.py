"""The causal model of the semantic and coarse stages, over slots of a key/value cache."""

import copy
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from barkserve.checkpoint.bark_config import CausalConfig
from barkserve.kernels.step_times import Layers
from barkserve.models.attention.slots import AttendLayer, PromptRows, SlotAttention
from barkserve.models.decode_plan import DecodePlan
from barkserve.models.fused_decode import fused_layers, linear_weights
from barkserve.models.linear import linear_of, pack_linear
from barkserve.models.transformer import Attend, Block, embedding

if TYPE_CHECKING:
    from barkserve.kernels.fused_layers import FusedLayers

RecordQueries = Callable[[int, Tensor], None]
"""Receives a layer's number and its queries, (B, heads, T, head_dim)."""


class CausalModel(nn.Module):
    """BarkCausalModel of transformers, with an external cache and logits on request.

    Args:
        config: the shapes.
        attention: computes attention.
        linear_dtype: dtype of the weights of heads.

    Attributes:
        draft: the same model with smaller weights, which drafts tokens; None: no drafts.
    """

    def __init__(
        self, config: CausalConfig, attention: SlotAttention, linear_dtype: torch.dtype
    ) -> None:
        super().__init__()
        self.config = config
        self.attention = attention
        self._linear_dtype = linear_dtype
        self._plan = DecodePlan()
        self.draft: CausalModel | None = None
        self._fused: dict[Layers, FusedLayers] = {}
        self.input_embeds_layer = embedding(config.input_vocab_size, config.hidden_size)
        self.position_embeds_layer = embedding(config.block_size, config.hidden_size)
        self.layers = nn.ModuleList(
            Block(config.hidden_size, config.num_heads, config.bias, norm_bias=config.bias)
            for _ in range(config.num_layers)
        )
        self.layernorm_final = nn.LayerNorm(config.hidden_size, bias=config.bias)
        self.lm_head = nn.Linear(config.hidden_size, config.output_vocab_size, bias=False)

    @property
    def plan(self) -> DecodePlan:
        """What computes the layers of a decode step: torch, until use_plan is called."""
        return self._plan

    def use_plan(self, plan: DecodePlan) -> None:
        """Compute decode steps by a plan. Call it after the weights are loaded."""
        self._plan = plan
        self._fused = {
            each: fused_layers(self.layers, self.layernorm_final, each == "fused_dependent")  # type: ignore[arg-type]
            for each in plan.kernels
        }

    def pack(self, draft_dtype: torch.dtype | None) -> None:
        """Pack the weights of the layers, if possible.

        Args:
            draft_dtype: dtype of the weights of a copy that drafts tokens. The copy shares
                everything but its linear layers. None: no copy.
        """
        if draft_dtype is not None:
            shared = {id(each): each for each in self.parameters()}
            self.draft = copy.deepcopy(self, shared)
            self.draft._linear_dtype = draft_dtype
            self.draft.pack(None)
        pack_linear(self.layers, self._linear_dtype)  # not lm_head: `head` slices it

    @property
    def slot_bytes(self) -> int:
        """Bytes of one slot of the cache."""
        config = self.config
        positions = config.num_layers * 2 * config.block_size
        return positions * config.hidden_size * self.lm_head.weight.element_size()

    def new_cache(self, slots: int) -> Tensor:
        """Make an empty cache with the dtype and device of the weights, and a spare slot.

        Returns:
            (layers, 2, slots + 1, heads, block_size, head_dim).
        """
        config = self.config
        head_dim = config.hidden_size // config.num_heads
        weight = self.lm_head.weight
        shape = (config.num_layers, 2, slots + 1, config.num_heads, config.block_size, head_dim)
        return torch.zeros(shape, dtype=weight.dtype, device=weight.device)

    def prefill(
        self,
        ids: Tensor,
        rows: PromptRows,
        cache: Tensor,
        record_queries: RecordQueries | None = None,
    ) -> Tensor:
        """Append a part of some prompts to their slots.

        Args:
            ids: (B, T, C) int64. The embeddings of a position's C ids are summed; -1: no id.
            rows: the slots, and the positions that each already holds.
            cache: from new_cache, written in place.
            record_queries: called with every layer's queries.

        Returns:
            (B, hidden): the final, normalized state of each row's last position.
        """
        x = self._append(ids, rows, cache, record_queries)
        if rows.lengths is None:
            last = x[:, -1]
        else:
            last = x[torch.arange(len(x), device=x.device), rows.lengths - 1]
        out: Tensor = self.layernorm_final(last)
        return out

    def states(
        self,
        ids: Tensor,
        rows: PromptRows,
        cache: Tensor,
        record_queries: RecordQueries | None = None,
    ) -> Tensor:
        """Do the same as prefill; return the states of all positions, (B, T, hidden)."""
        out: Tensor = self.layernorm_final(self._append(ids, rows, cache, record_queries))
        return out

    def _append(
        self,
        ids: Tensor,
        rows: PromptRows,
        cache: Tensor,
        record_queries: RecordQueries | None,
    ) -> Tensor:
        positions = rows.positions(ids.shape[1])
        if rows.lengths is not None:  # padding can reach past the block
            positions = positions.clamp(max=self.config.block_size - 1)
        x = self._embed(ids) + self.position_embeds_layer(positions)
        attend = self.attention.prefill(rows, cache)
        return self._run_layers(x, cache, attend, record_queries)

    def decode(
        self,
        tokens: Tensor,
        slots: Tensor,
        lengths: Tensor,
        cache: Tensor,
        record_queries: RecordQueries | None = None,
    ) -> Tensor:
        """Append one token to each row's slot. Reads no tensor on the host, except on a CPU.

        Args:
            tokens: (B,) int64.
            slots: (B,) int64, see SlotAttention.decode.
            lengths: (B,) int64, positions that each slot already holds.
            cache: from new_cache, written in place.
            record_queries: called with every layer's queries.

        Returns:
            (B, hidden): the final, normalized state of each row.
        """
        rows = len(tokens)
        if self._plan.single_rows and rows > 1:
            return self._decode_singly(tokens, slots, lengths, cache, record_queries)
        x = self.input_embeds_layer(tokens) + self.position_embeds_layer(lengths)
        fused = self._fused.get(self._plan.layers(rows))
        if fused is not None:
            return fused(x.float(), cache, slots, lengths, record_queries)
        attend = self.attention.decode(slots, lengths, cache)
        x = self._run_layers(x[:, None], cache, attend, record_queries)
        out: Tensor = self.layernorm_final(x[:, 0])
        return out

    def _decode_singly(
        self,
        tokens: Tensor,
        slots: Tensor,
        lengths: Tensor,
        cache: Tensor,
        record_queries: RecordQueries | None,
    ) -> Tensor:
        """Do the same as decode, row after row."""
        queries: dict[int, list[Tensor]] = {}

        def record(layer: int, of_row: Tensor) -> None:
            queries.setdefault(layer, []).append(of_row)

        recorder = None if record_queries is None else record
        states = [
            self.decode(tokens[row], slots[row], lengths[row], cache, recorder)
            for row in (slice(number, number + 1) for number in range(len(tokens)))
        ]
        if record_queries is not None:
            for layer, of_rows in queries.items():
                record_queries(layer, torch.cat(of_rows))
        return torch.cat(states)

    def _run_layers(
        self,
        x: Tensor,
        cache: Tensor,
        attend_layer: AttendLayer,
        record_queries: RecordQueries | None,
    ) -> Tensor:
        for number, (layer, layer_cache) in enumerate(zip(self.layers, cache, strict=True)):
            attend: Attend = partial(attend_layer, layer_cache)
            if record_queries is not None:
                attend = _recording(attend, partial(record_queries, number))
            x = layer(x, attend)
        return x

    def head(self, ids: Tensor) -> nn.Module:
        """Make the rows of lm_head for these ids, (V,) int64, ascending."""
        weight = self.lm_head.weight.detach()
        first, last = int(ids[0]), int(ids[-1])
        if last - first + 1 == len(ids):
            return linear_of(weight[first : last + 1], self._linear_dtype)
        return linear_of(weight[ids.to(weight.device)], self._linear_dtype)

    def logits(self, hidden: Tensor, head: nn.Module) -> Tensor:
        """Compute the logits of a head's ids only.

        Args:
            hidden: (B, hidden), from forward.
            head: from head().

        Returns:
            (B, V) float32 for every dtype of the weights.
        """
        if self._plan.fixed in self._fused:
            return self._fused[self._plan.fixed].logits(hidden, linear_weights(head))
        if self._plan.single_rows:
            return torch.cat([head(row) for row in torch.split(hidden, 1)]).float()
        out: Tensor = head(hidden)
        return out.float()

    def _embed(self, ids: Tensor) -> Tensor:
        if ids.shape[2] == 1:
            out: Tensor = self.input_embeds_layer(ids[:, :, 0])
            return out
        present = (ids >= 0).unsqueeze(-1)
        embedded: Tensor = self.input_embeds_layer(ids.clamp(min=0))  # (B, T, C, hidden)
        return (embedded * present).sum(dim=2)


def _recording(attend: Attend, record: Callable[[Tensor], None]) -> Attend:
    def recording(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        record(q)
        return attend(q, k, v)

    return recording
