"""Triton kernel of cumulative sums."""

import triton
import triton.language as tl


@triton.jit
def sum_row(x, out, stride, COLUMNS: tl.constexpr, PADDED: tl.constexpr):
    """Compute the cumulative sums of one row. Grid: (rows,)."""
    row = tl.program_id(0).to(tl.int64)
    column = tl.arange(0, PADDED)
    inside = column < COLUMNS
    values = tl.load(x + row * stride + column, mask=inside, other=0.0)
    tl.store(out + row * COLUMNS + column, tl.cumsum(values, 0), mask=inside)
