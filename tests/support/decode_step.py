"""Random layers of a causal model, and one decode step of them in torch in float32."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

from barkserve.kernels.layer_weights import LayerWeights, Linear, Norm


@dataclass(frozen=True)
class Step:
    """Inputs of a decode step, see FusedLayers."""

    layers: list[LayerWeights]
    norm: Norm
    head: Linear
    heads: int
    x: Tensor
    cache: Tensor
    slots: Tensor
    starts: Tensor

    def rows(self, rows: list[int]) -> "Step":
        """The same step for some of its rows, with a cache of its own."""
        picked = {name: getattr(self, name)[rows] for name in ("x", "slots", "starts")}
        return replace(self, cache=self.cache.clone(), **picked)


def random_step(
    rows: int,
    heads: int,
    dtype: torch.dtype = torch.float32,
    *,
    bias: bool = False,
    positions: int = 300,
    layers: int = 2,
    width: int = 64,
    vocabulary: int = 40,
) -> Step:
    """Make a step whose rows have shuffled slots and different lengths, the first none."""
    generator = torch.Generator().manual_seed(7)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator)

    def norm() -> Norm:
        shift = (0.3 * normal(hidden)).to(dtype) if bias else None
        return Norm((1 + 0.3 * normal(hidden)).to(dtype), shift, 1e-5)

    def linear(inputs: int, outputs: int, biased: bool = bias) -> Linear:
        weight = (normal(outputs, inputs) * inputs**-0.5).to(dtype)
        return Linear(weight, (0.3 * normal(outputs)).to(dtype) if biased else None)

    hidden = heads * width
    shapes = {
        "qkv": (hidden, 3 * hidden),
        "out": (hidden, hidden),
        "mlp_in": (hidden, 4 * hidden),
        "mlp_out": (4 * hidden, hidden),
    }
    starts = torch.randint(1, positions, (rows,), generator=generator)
    starts[0] = 0
    starts[-1] = positions - 1
    return Step(
        layers=[
            LayerWeights(
                attention_norm=norm(),
                mlp_norm=norm(),
                **{name: linear(*shape) for name, shape in shapes.items()},
            )
            for _ in range(layers)
        ],
        norm=norm(),
        head=linear(hidden, vocabulary, False),
        heads=heads,
        x=normal(rows, hidden),
        cache=normal(layers, 2, rows + 2, heads, positions, width).to(dtype),
        slots=torch.randperm(rows + 2, generator=generator)[:rows],
        starts=starts,
    )


def reference_attention(q: Tensor, k: Tensor, v: Tensor, step: Step, layer: int) -> Tensor:
    """Attention of one position per row over its slot: q, k, v and the result (B, H, D)."""
    rows = []
    for row, (slot, start) in enumerate(zip(step.slots, step.starts, strict=True)):
        held = step.cache[layer, :, slot, :, :start].float()
        keys = torch.cat([held[0], k[row, :, None].float()], dim=1)
        values = torch.cat([held[1], v[row, :, None].float()], dim=1)
        query = q[row, :, None].float()
        rows.append(functional.scaled_dot_product_attention(query, keys, values)[:, 0])
    return torch.stack(rows)


def reference_step(step: Step) -> Tensor:
    """The normalized states of a step, (B, hidden) float32; the cache stays as it is."""
    x = step.x
    for number, layer in enumerate(step.layers):
        qkv = _linear(_norm(x, layer.attention_norm), layer.qkv).view(len(x), 3, step.heads, -1)
        attended = reference_attention(*qkv.unbind(1), step, number)
        x = x + _linear(attended.flatten(1), layer.out)
        inner = functional.gelu(_linear(_norm(x, layer.mlp_norm), layer.mlp_in))
        x = x + _linear(inner, layer.mlp_out)
    return _norm(x, step.norm)


def _norm(x: Tensor, norm: Norm) -> Tensor:
    shift = None if norm.shift is None else norm.shift.float()
    return functional.layer_norm(x, x.shape[1:], norm.gain.float(), shift, norm.eps)


def _linear(x: Tensor, linear: Linear) -> Tensor:
    bias = None if linear.bias is None else linear.bias.float()
    return functional.linear(x, linear.weight.float(), bias)
