"""A decode step with random weights: layers, head, choice of the token, and feedback."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from barkserve.checkpoint.bark_config import CausalConfig
from barkserve.models.attention.slots import SlotAttention
from barkserve.models.causal import CausalModel
from barkserve.models.transformer import Block

_HEAD = 1024  # tokens that a coarse head chooses from
_SCALE = 0.02


def random_model(
    config: CausalConfig, attention: SlotAttention, device: torch.device, dtype: torch.dtype
) -> CausalModel:
    """Make a model with random weights."""
    with torch.device("meta"):
        model = CausalModel(config, attention, dtype)
    model.to_empty(device=device).to(dtype).requires_grad_(False).eval()
    for name, weight in model.named_parameters():
        nn.init.ones_(weight) if "layernorm" in name else nn.init.normal_(weight, std=_SCALE)
    return model


class Step:
    """A step over the first slots of a cache, greedy, with all state on the device.

    Args:
        model: the model.
        rows: number of streams.
        compiled: torch.compile computes the layers between two attentions.
    """

    def __init__(self, model: CausalModel, rows: int, compiled: bool = False) -> None:
        device = model.lm_head.weight.device
        self._model = model
        self._cache = model.new_cache(rows)
        self._slots = torch.arange(rows, device=device)
        self._tokens = torch.zeros(rows, dtype=torch.int64, device=device)
        self._lengths = torch.zeros(rows, dtype=torch.int64, device=device)
        self._head = model.head(torch.arange(_HEAD))
        self._decode = partial(_compiled_decode(), model) if compiled else model.decode

    def begin(self, length: int) -> None:
        """Set the number of positions that each slot holds."""
        self._lengths.fill_(length)

    def run(self) -> None:
        """Append one token to each slot. Reads nothing on the host."""
        hidden = self._decode(self._tokens, self._slots, self._lengths, self._cache)
        self._tokens.copy_(self._model.logits(hidden, self._head).argmax(dim=-1))
        self._lengths.add_(1)


def _compiled_decode() -> Callable[[CausalModel, Tensor, Tensor, Tensor, Tensor], Tensor]:
    """CausalModel.decode with its layers compiled; all layers share what is compiled."""
    project = torch.compile(_project, dynamic=False)
    finish = torch.compile(_finish, dynamic=False)

    def decode(
        model: CausalModel, tokens: Tensor, slots: Tensor, lengths: Tensor, cache: Tensor
    ) -> Tensor:
        x = model.input_embeds_layer(tokens) + model.position_embeds_layer(lengths)
        attend = model.attention.decode(slots, lengths, cache)
        for block, layer_cache in zip(model.layers, cache, strict=True):
            assert isinstance(block, Block)
            heads = block.attn.num_heads
            qkv = project(x, *_weights(block.layernorm_1, block.attn.att_proj))
            q, k, v = qkv.view(len(x), 1, 3, heads, -1).permute(2, 0, 3, 1, 4)
            attended = attend(layer_cache, q, k, v).reshape(x.shape)
            rest = _weights(block.attn.out_proj, block.layernorm_2)
            x = finish(x, attended, *rest, *_weights(block.mlp.in_proj, block.mlp.out_proj))
        out: Tensor = model.layernorm_final(x)
        return out

    return decode


def _weights(*modules: nn.Module) -> list[Any]:
    """The weight and the bias, or None, of each module."""
    return [value for module in modules for value in (module.weight, module.bias)]


def _project(
    x: Tensor, gain: Tensor, shift: Tensor | None, weight: Tensor, bias: Tensor | None
) -> Tensor:
    return functional.linear(functional.layer_norm(x, x.shape[-1:], gain, shift), weight, bias)


def _finish(
    x: Tensor,
    attended: Tensor,
    out: Tensor,
    out_bias: Tensor | None,
    gain: Tensor,
    shift: Tensor | None,
    inner: Tensor,
    inner_bias: Tensor | None,
    outer: Tensor,
    outer_bias: Tensor | None,
) -> Tensor:
    x = x + functional.linear(attended, out, out_bias)
    normed = functional.layer_norm(x, x.shape[-1:], gain, shift)
    hidden = functional.gelu(functional.linear(normed, inner, inner_bias))
    return x + functional.linear(hidden, outer, outer_bias)
