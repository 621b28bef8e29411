"""The causal model of the semantic and coarse stages, over slots of a key/value cache.

Knows weights, positions and slots; knows nothing of prompts, sampling or who is speaking.
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from barkserve.checkpoint.bark_config import CausalConfig
from barkserve.models.attention import CachedAttention, CacheRows
from barkserve.models.linear import linear_of
from barkserve.models.transformer import Attend, Block, embedding

NoteQueries = Callable[[int, Tensor], None]
"""Takes a layer's number and its queries, (B, heads, T, head_dim)."""


class CausalModel(nn.Module):
    """transformers BarkCausalModel, with the cache handed in and only the wanted logits computed.

    Args:
        config: the shapes.
        attention: how attention is computed.
        linear_dtype: of the weights of heads.
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
        """An empty cache: (layers, 2, slots, heads, block_size, head_dim), in the weights' dtype
        and device.
        """
        config = self.config
        head_dim = config.hidden_size // config.num_heads
        weight = self.lm_head.weight
        shape = (config.num_layers, 2, slots, config.num_heads, config.block_size, head_dim)
        return torch.zeros(shape, dtype=weight.dtype, device=weight.device)

    def forward(
        self, ids: Tensor, cache: Tensor, rows: CacheRows, note: NoteQueries | None = None
    ) -> Tensor:
        """Append T positions to each row's slot.

        Args:
            ids: (B, T, C) int64. The embeddings of a position's C ids are summed; -1 stands for
                none.
            cache: from new_cache, written in place.
            rows: the slots, and how much each already holds.
            note: called with every layer's queries, for who wants to know where it looks.

        Returns:
            (B, hidden): the final, normalised state of each row's last position.
        """
        length = ids.shape[1]
        positions = rows.starts[:, None] + torch.arange(length, device=ids.device)  # (B, T)
        x = self._embed(ids) + self.position_embeds_layer(positions)
        for number, (layer, layer_cache) in enumerate(zip(self.layers, cache, strict=True)):
            attend = partial(self._attention, cache=layer_cache, rows=rows)
            x = layer(x, attend if note is None else _noting(attend, partial(note, number)))
        out: Tensor = self.layernorm_final(x[:, -1])
        return out

    def head(self, ids: Tensor) -> nn.Module:
        """The rows of lm_head that choose among these ids: (V,) int64, ascending."""
        weight = self.lm_head.weight.detach()
        first, last = int(ids[0]), int(ids[-1])
        if last - first + 1 == len(ids):
            return linear_of(weight[first : last + 1], self._linear_dtype)
        return linear_of(weight[ids.to(weight.device)], self._linear_dtype)

    def logits(self, hidden: Tensor, head: nn.Module) -> Tensor:
        """Logits of chosen ids only.

        Args:
            hidden: (B, hidden), from forward.
            head: from head().

        Returns:
            (B, V) float32, whatever the weights' dtype.
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


def _noting(attend: Attend, note: Callable[[Tensor], None]) -> Attend:
    def noting(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        note(q)
        return attend(q, k, v)

    return noting
