"""Bark's two transformers for training, with the state names of transformers' BarkModel.

Plain torch with fused attention; no cache and no generation. Input is embeddings and output is
hidden states, so callers compute only the logits that they need.
"""

import torch
import torch.nn.functional as functional
from torch import nn

from training.config import TransformerSize


class Attention(nn.Module):
    """Self-attention; `watch` also returns the weights of some heads for a loss on them."""

    def __init__(self, size: TransformerSize, causal: bool) -> None:
        super().__init__()
        self.heads, self.causal = size.heads, causal
        self.att_proj = nn.Linear(size.width, 3 * size.width, bias=False)
        self.out_proj = nn.Linear(size.width, size.width, bias=False)

    def _project(self, hidden: torch.Tensor) -> list[torch.Tensor]:
        batch, length, width = hidden.shape
        parts = self.att_proj(hidden).split(width, 2)
        return [part.view(batch, length, self.heads, -1).transpose(1, 2) for part in parts]

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        query, key, value = self._project(hidden)
        mixed = functional.scaled_dot_product_attention(query, key, value, is_causal=self.causal)
        output: torch.Tensor = self.out_proj(mixed.transpose(1, 2).flatten(2))
        return output

    def watch(self, hidden: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the output and the attention weights, (batch, heads, length, length)."""
        query, key, value = self._project(hidden)
        scores = query @ key.transpose(2, 3) * query.shape[-1] ** -0.5
        if self.causal:
            future = torch.ones_like(scores[0, 0], dtype=torch.bool).triu(1)
            scores = scores.masked_fill(future, float("-inf"))
        weights = scores.softmax(-1)
        return self.out_proj((weights @ value).transpose(1, 2).flatten(2)), weights


class Mlp(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.in_proj = nn.Linear(width, 4 * width, bias=False)
        self.out_proj = nn.Linear(4 * width, width, bias=False)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        output: torch.Tensor = self.out_proj(functional.gelu(self.in_proj(hidden)))
        return output


class Block(nn.Module):
    def __init__(self, size: TransformerSize, causal: bool) -> None:
        super().__init__()
        self.layernorm_1 = nn.LayerNorm(size.width, bias=not causal)
        self.layernorm_2 = nn.LayerNorm(size.width, bias=not causal)
        self.attn = Attention(size, causal)
        self.mlp = Mlp(size.width)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        hidden = hidden + self.attn(self.layernorm_1(hidden))
        output: torch.Tensor = hidden + self.mlp(self.layernorm_2(hidden))
        return output

    def watch(self, hidden: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Run forward; also return the attention weights."""
        change, weights = self.attn.watch(self.layernorm_1(hidden))
        hidden = hidden + change
        return hidden + self.mlp(self.layernorm_2(hidden)), weights


def initialize(module: nn.Module, layers: int) -> None:
    """Initialize as GPT-2 does."""
    for name, parameter in module.named_parameters():
        if parameter.dim() > 1:
            deep = name.endswith("out_proj.weight")
            nn.init.normal_(parameter, std=0.02 / (2 * layers) ** 0.5 if deep else 0.02)


class CausalTransformer(nn.Module):
    """The architecture of BarkCausalModel: semantic and coarse."""

    def __init__(self, size: TransformerSize, input_vocab: int, output_vocab: int) -> None:
        super().__init__()
        self.size = size
        self.input_embeds_layer = nn.Embedding(input_vocab, size.width)
        self.position_embeds_layer = nn.Embedding(size.block, size.width)
        self.layers = nn.ModuleList(Block(size, causal=True) for _ in range(size.layers))
        self.layernorm_final = nn.LayerNorm(size.width, bias=False)
        self.lm_head = nn.Linear(size.width, output_vocab, bias=False)
        initialize(self, size.layers)

    def forward(
        self, embeds: torch.Tensor, positions: torch.Tensor, watched: tuple[int, ...] = ()
    ) -> tuple[torch.Tensor, dict[int, torch.Tensor]]:
        """Return hidden states (batch, length, width) and the attention of the watched layers."""
        hidden, seen = embeds + self.position_embeds_layer(positions), {}
        for index, layer in enumerate(self.layers):
            assert isinstance(layer, Block)
            if index in watched:
                hidden, seen[index] = layer.watch(hidden)
            else:
                hidden = layer(hidden)
        return self.layernorm_final(hidden), seen


class FineTransformer(nn.Module):
    """The architecture of BarkFineModel: one embedding per codebook, tied to its head."""

    def __init__(self, size: TransformerSize, vocab: int, books: int) -> None:
        super().__init__()
        self.size = size
        self.input_embeds_layers = nn.ModuleList(
            nn.Embedding(vocab, size.width) for _ in range(books)
        )
        self.position_embeds_layer = nn.Embedding(size.block, size.width)
        self.layers = nn.ModuleList(Block(size, causal=False) for _ in range(size.layers))
        self.layernorm_final = nn.LayerNorm(size.width)
        initialize(self, size.layers)

    def forward(self, codes: torch.Tensor, book: int) -> torch.Tensor:
        """Return the logits of `book`, (batch, frames, vocab), given (batch, frames, books)."""
        hidden = self.position_embeds_layer(torch.arange(codes.shape[1], device=codes.device))
        for index in range(book + 1):  # includes `book` itself, as padding
            hidden = hidden + self.embedding(index)(codes[..., index])
        for layer in self.layers:
            hidden = layer(hidden)
        logits: torch.Tensor = self.layernorm_final(hidden) @ self.embedding(book).weight.T
        return logits

    def embedding(self, book: int) -> nn.Embedding:
        """Return the embedding of a codebook, which is also its head."""
        embedding = self.input_embeds_layers[book]
        assert isinstance(embedding, nn.Embedding)
        return embedding
