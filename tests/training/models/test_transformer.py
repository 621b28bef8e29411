"""The trained models compute the same as transformers' Bark."""

import torch
from transformers.models.bark import (
    BarkCoarseConfig,
    BarkCoarseModel,
    BarkFineConfig,
    BarkFineModel,
)

from training.config import TransformerSize
from training.models.transformer import CausalTransformer, FineTransformer

SIZE = TransformerSize(layers=2, width=24, heads=3, block=16)
SHARED = {"num_layers": 2, "hidden_size": 24, "num_heads": 3, "block_size": 16, "dropout": 0.0}


def test_causal_logits_equal_the_reference() -> None:
    own = CausalTransformer(SIZE, 40, 30)
    config = BarkCoarseConfig(input_vocab_size=40, output_vocab_size=30, bias=False, **SHARED)
    reference = BarkCoarseModel(config).eval()
    reference.load_state_dict(own.state_dict(), strict=False)
    ids = torch.randint(40, (2, 12))
    hidden, weights = own(own.input_embeds_layer(ids), torch.arange(12), watched=(1,))
    torch.testing.assert_close(own.lm_head(hidden), reference(ids).logits)
    assert weights[1].shape == (2, 3, 12, 12)


def test_fine_logits_equal_the_reference() -> None:
    own = FineTransformer(SIZE, 40, 8)
    config = BarkFineConfig(input_vocab_size=40, output_vocab_size=40, bias=False, **SHARED)
    reference = BarkFineModel(config).eval()
    reference.load_state_dict(own.state_dict(), strict=False)
    reference.tie_weights()
    codes = torch.randint(40, (2, 12, 8))
    torch.testing.assert_close(own(codes, 3), reference(3, codes).logits)
