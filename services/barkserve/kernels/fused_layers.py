"""The layers of a decode step as five Triton kernels each.

LayerNorm and QKV; attention over chunks; join of the chunks and output projection; LayerNorm, first
layer of the MLP and GELU; second layer of the MLP. The last two projections write parts, split over
their inputs, which the next LayerNorm adds up. The residual stream is float32.

Every tile has 16 rows, and every sum has its fixed ranges: a row's result is the same alone and
in any batch. Needs Triton. Import this module only where it is used.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import triton
from torch import Tensor

from barkserve.kernels.decode_attention import ChunkSums, attend_in_chunks
from barkserve.kernels.launch_device import device_of
from barkserve.kernels.layer_kernels import add_norm, join_linear, norm_linear, split_linear
from barkserve.kernels.layer_weights import LayerWeights, Linear, Norm

_ROWS = 16  # of a tile, see layer_kernels
_BLOCK = 16  # columns of a tile: on an H200 faster than 32
_WARPS = 4
_SPLITS = 4  # ranges of the inputs of the MLP's second layer
_HEAD_GROUPS = (4, 3, 2, 1)  # ranges of the inputs of the output projection: the first that divides

RecordQueries = Callable[[int, Tensor], None]
"""Receives a layer's number and its queries, (B, H, 1, D)."""


@dataclass(frozen=True)
class _Residual:
    """The residual stream x + sum of parts. x: (B, hidden) float32; parts: (n, B, hidden)."""

    x: Tensor
    parts: Tensor | None

    @property
    def count(self) -> int:
        """Number of parts."""
        return 0 if self.parts is None else len(self.parts)


class FusedLayers:
    """Computes a decode step of a causal model, between its embeddings and its heads.

    Args:
        layers: the weights of all layers.
        final_norm: the LayerNorm after the last layer.
        heads: number of attention heads.
        dependent_launch: whether kernels start before their predecessor has ended (Hopper and
            newer).
    """

    def __init__(
        self,
        layers: Sequence[LayerWeights],
        final_norm: Norm,
        heads: int,
        dependent_launch: bool = False,
    ) -> None:
        self._layers = layers
        self._final_norm = final_norm
        self._heads = heads
        self._dependent_launch = dependent_launch
        self._options = {"num_warps": _WARPS} | ({"launch_pdl": True} if dependent_launch else {})

    def __call__(
        self,
        x: Tensor,
        cache: Tensor,
        slots: Tensor,
        starts: Tensor,
        record_queries: RecordQueries | None = None,
    ) -> Tensor:
        """Append one position to each row's slot.

        Args:
            x: (B, hidden) float32, the sum of the embeddings.
            cache: (layers, 2, slots, H, P, D), written in place.
            slots: (B,) integers on the device.
            starts: (B,) integers on the device, positions that each slot already holds.
            record_queries: called with every layer's queries.

        Returns:
            (B, hidden) in the dtype of the cache: the normalized state of each row.
        """
        with device_of(x):
            return self._step(x, cache, slots, starts, record_queries)

    def _step(
        self,
        x: Tensor,
        cache: Tensor,
        slots: Tensor,
        starts: Tensor,
        record_queries: RecordQueries | None,
    ) -> Tensor:
        residual = _Residual(x, None)
        for number, (layer, layer_cache) in enumerate(zip(self._layers, cache, strict=True)):
            residual, qkv = self._norm_linear(
                residual, layer.attention_norm, layer.qkv, cache.dtype
            )
            q, k, v = qkv.view(len(x), 3, self._heads, -1).unbind(1)
            if record_queries is not None:
                record_queries(number, q[:, :, None])
            chunks = attend_in_chunks(q, k, v, layer_cache, slots, starts, self._dependent_launch)
            residual = _Residual(residual.x, self._join_linear(chunks, layer.out))
            residual, inner = self._norm_linear(
                residual, layer.mlp_norm, layer.mlp_in, cache.dtype, gelu=True
            )
            parts = self._split_linear(inner, layer.mlp_out, _SPLITS)
            residual = _Residual(residual.x, parts)
        return self._add_norm(residual, cache.dtype)

    def logits(self, hidden: Tensor, head: Linear) -> Tensor:
        """Multiply (B, hidden) with a head's weight. Returns (B, V) float32."""
        with device_of(hidden):
            return self._split_linear(hidden, head, 1)[0]

    def _norm_linear(
        self,
        residual: _Residual,
        norm: Norm,
        linear: Linear,
        dtype: torch.dtype,
        gelu: bool = False,
    ) -> tuple[_Residual, Tensor]:
        """Return the residual stream in one tensor, and act(norm(it) W^T + b)."""
        rows, width = residual.x.shape
        columns = len(linear.weight)
        out = torch.empty((rows, columns), dtype=dtype, device=residual.x.device)
        added = torch.empty_like(residual.x) if residual.count else residual.x
        norm_linear[(triton.cdiv(columns, _BLOCK), triton.cdiv(rows, _ROWS))](
            *(residual.x, _pointer(residual.parts, residual.x), added),
            *(norm.gain, _pointer(norm.shift, norm.gain)),
            *(linear.weight, _pointer(linear.bias, linear.weight), out, norm.eps, rows),
            *(width, triton.next_power_of_2(width), columns, residual.count, gelu),
            *(norm.shift is not None, linear.bias is not None, _BLOCK, self._dependent_launch),
            **self._options,
        )
        return _Residual(added, None), out

    def _join_linear(self, chunks: ChunkSums, linear: Linear) -> Tensor:
        """Return the parts of the output projection, (groups, B, hidden) float32."""
        rows, heads, _, width = chunks.sums.shape
        groups = next(count for count in _HEAD_GROUPS if heads % count == 0)
        hidden = heads * width
        parts = torch.empty((groups, rows, hidden), dtype=torch.float32, device=chunks.sums.device)
        join_linear[(triton.cdiv(hidden, _BLOCK), groups, triton.cdiv(rows, _ROWS))](
            *(chunks.sums, chunks.maxima, chunks.weights),
            *(linear.weight, _pointer(linear.bias, linear.weight), parts, rows),
            *(heads, width, chunks.chunks, triton.next_power_of_2(chunks.chunks)),
            *(heads // groups, linear.bias is not None, _BLOCK, self._dependent_launch),
            **self._options,
        )
        return parts

    def _split_linear(self, x: Tensor, linear: Linear, splits: int) -> Tensor:
        """Return the parts of x W^T + b, (splits, B, out) float32."""
        rows, width = x.shape
        columns = len(linear.weight)
        parts = torch.empty((splits, rows, columns), dtype=torch.float32, device=x.device)
        split_linear[(triton.cdiv(columns, _BLOCK), splits, triton.cdiv(rows, _ROWS))](
            *(x, linear.weight, _pointer(linear.bias, linear.weight), parts, rows),
            *(width, columns, width // splits, triton.next_power_of_2(width // splits)),
            *(linear.bias is not None, _BLOCK, self._dependent_launch),
            **self._options,
        )
        return parts

    def _add_norm(self, residual: _Residual, dtype: torch.dtype) -> Tensor:
        """Return the normalized residual stream, (B, hidden)."""
        norm, (rows, width) = self._final_norm, residual.x.shape
        out = torch.empty((rows, width), dtype=dtype, device=residual.x.device)
        add_norm[(triton.cdiv(rows, _ROWS),)](
            *(residual.x, _pointer(residual.parts, residual.x)),
            *(norm.gain, _pointer(norm.shift, norm.gain), out, norm.eps, rows),
            *(width, triton.next_power_of_2(width), residual.count),
            *(norm.shift is not None, self._dependent_launch),
            **self._options,
        )
        return out


def _pointer(tensor: Tensor | None, unused: Tensor) -> Tensor:
    """The tensor, or what to pass in its place to a kernel that does not read it."""
    return unused if tensor is None else tensor
