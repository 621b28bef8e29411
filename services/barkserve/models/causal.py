"""The causal model of the semantic and coarse stages, over slots of a key/value cache."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from barkserve.checkpoint.bark_config import CausalConfig
from barkserve.models.attention import CachedAttention, CacheRows
from barkserve.models.linear import linear_of
from barkserve.models.transformer import Attend, Block, embedding

RecordQueries = Callable[[int, Tensor], None]
"""Receives a layer's number and its queries, (B, heads, T, head_dim)."""


class CausalModel(nn.Module):
    """BarkCausalModel of transformers, with an external cache and logits on request.

    Args:
        config: the shapes.
        attention: computes attention.
        linear_dtype: dtype of the weights of heads.
    """

    def __init__(
        self, config: CausalConfig, attention: CachedAttention, linear_dtype: torch.dtype
    ) -> None:
        super().__init__()
        self.config = config
        self._attention = attention
        self._linear_dtype = linear_dtype
        self.input_embeds_layer = embedding(config.input_vocab_size, config.hidden_size)
        self.position_embeds_layer = embedding(config.block_size, config.hidden_size)
        self.layers = nn.ModuleList(
            Block(config.hidden_size, config.num_heads, config.bias, norm_bias=config.bias)
            for _ in range(config.num_layers)
        )
        self.layernorm_final = nn.LayerNorm(config.hidden_size, bias=config.bias)
        self.lm_head = nn.Linear(config.hidden_size, config.output_vocab_size, bias=False)

    def new_cache(self, slots: int) -> Tensor:
        """Make an empty cache with the dtype and device of the weights.

        Returns:
            (layers, 2, slots, heads, block_size, head_dim).
        """
        config = self.config
        head_dim = config.hidden_size // config.num_heads
        weight = self.lm_head.weight
        shape = (config.num_layers, 2, slots, config.num_heads, config.block_size, head_dim)
        return torch.zeros(shape, dtype=weight.dtype, device=weight.device)

    def forward(
        self,
        ids: Tensor,
        cache: Tensor,
        rows: CacheRows,
        record_queries: RecordQueries | None = None,
    ) -> Tensor:
        """Append T positions to each row's slot.

        Args:
            ids: (B, T, C) int64. The embeddings of a position's C ids are summed; -1: no id.
            cache: from new_cache, written in place.
            rows: the slots, and the positions that each already holds.
            record_queries: called with every layer's queries.

        Returns:
            (B, hidden): the final, normalized state of each row's last position.
        """
        length = ids.shape[1]
        positions = rows.starts[:, None] + torch.arange(length, device=ids.device)  # (B, T)
        x = self._embed(ids) + self.position_embeds_layer(positions)
        for number, (layer, layer_cache) in enumerate(zip(self.layers, cache, strict=True)):
            attend: Attend = partial(self._attention, cache=layer_cache, rows=rows)
            if record_queries is not None:
                attend = _recording(attend, partial(record_queries, number))
            x = layer(x, attend)
        out: Tensor = self.layernorm_final(x[:, -1])
        return out

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
