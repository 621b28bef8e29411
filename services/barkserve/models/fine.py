"""The non-causal model of the fine stage: predicts a codebook from all codebooks before it."""

import torch
from torch import Tensor, nn

from barkserve.checkpoint.bark_config import FineModelConfig
from barkserve.models.attention.full import FullAttention
from barkserve.models.transformer import Block, embedding


class FineModel(nn.Module):
    """BarkFineModel of transformers. Its LayerNorms have a bias whether or not `bias` is set."""

    def __init__(self, config: FineModelConfig, attention: FullAttention) -> None:
        super().__init__()
        self.config = config
        self._attention = attention
        self.input_embeds_layers = nn.ModuleList(
            embedding(config.input_vocab_size, config.hidden_size)
            for _ in range(config.n_codes_total)
        )
        self.position_embeds_layer = embedding(config.block_size, config.hidden_size)
        self.layers = nn.ModuleList(
            Block(config.hidden_size, config.num_heads, config.bias, norm_bias=True)
            for _ in range(config.num_layers)
        )
        self.layernorm_final = nn.LayerNorm(config.hidden_size)
        self.lm_heads = nn.ModuleList(
            nn.Linear(config.hidden_size, config.output_vocab_size, bias=False)
            for _ in range(config.n_codes_given, config.n_codes_total)
        )

    def forward(self, codes: Tensor, codebook: int, start: int, codebook_size: int) -> Tensor:
        """Compute the logits of one codebook from itself and all before it, over a window.

        Args:
            codes: (B, T, n_codes_total) int64, codebook_size where unknown.
            codebook: which codebook to predict, at least n_codes_given.
            start: first frame to compute logits for.
            codebook_size: number of codes to choose from.

        Returns:
            (B, T - start, codebook_size) float32.
        """
        x = self.position_embeds_layer(torch.arange(codes.shape[1], device=codes.device))
        embedded = [
            self.input_embeds_layers[book](codes[:, :, book]) for book in range(codebook + 1)
        ]
        x = torch.stack(embedded, dim=-1).sum(dim=-1) + x
        for layer in self.layers[:-1]:
            x = layer(x, self._attention)
        x = self.layernorm_final(self.layers[-1](x, self._attention, start))
        logits: Tensor = self.lm_heads[codebook - self.config.n_codes_given](x)
        return logits[..., :codebook_size].float()
