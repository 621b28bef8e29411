"""Triton kernels of the linear layers of a decode step.

A program computes 16 rows. A row's sums run over fixed ranges in a fixed order, whatever the batch.
Matrices are row-major: weights are (out, in), as in torch's Linear.
"""

import triton
import triton.language as tl

from barkserve.kernels.attention_kernels import joined_chunks
from barkserve.kernels.dependent_launch import start_next, wait_for_previous

ROWS = tl.constexpr(16)  # of a tile: the least that tensor cores take


@triton.jit
def normed(
    x,
    parts,
    x_out,
    gain,
    shift,
    eps,
    rows,
    row,
    writes,
    WIDTH: tl.constexpr,
    PADDED: tl.constexpr,
    PARTS: tl.constexpr,
    SHIFT: tl.constexpr,
):
    """Add the parts to 16 rows of x, store the sum if `writes`, and normalize it.

    Returns (16, PADDED) float32; columns from WIDTH on are finite and meaningless.
    """
    column = tl.arange(0, PADDED)
    inside = column < WIDTH
    valid = (row < rows)[:, None] & inside[None]
    at = row[:, None] * WIDTH + column[None]
    total = tl.load(x + at, mask=valid, other=0.0).to(tl.float32)
    for part in tl.static_range(PARTS):
        total += tl.load(parts + part * rows * WIDTH + at, mask=valid, other=0.0)
    if PARTS > 0:  # noqa: SIM102 - a constant, and a value on the device
        if writes:
            tl.store(x_out + at, total, mask=valid)
    centered = tl.where(inside[None], total - (tl.sum(total, 1) / WIDTH)[:, None], 0.0)
    variance = tl.sum(centered * centered, 1) / WIDTH
    scale = tl.load(gain + column, mask=inside, other=0.0).to(tl.float32)
    out = centered * tl.rsqrt(variance + eps)[:, None] * scale[None]
    if SHIFT:
        out += tl.load(shift + column, mask=inside, other=0.0).to(tl.float32)[None]
    return out


@triton.jit(do_not_specialize=["rows"])
def norm_linear(
    x,
    parts,
    x_out,
    gain,
    shift,
    weight,
    bias,
    out,
    eps,
    rows,
    WIDTH: tl.constexpr,
    PADDED: tl.constexpr,
    COLUMNS: tl.constexpr,
    PARTS: tl.constexpr,
    GELU: tl.constexpr,
    SHIFT: tl.constexpr,
    BIAS: tl.constexpr,
    BLOCK: tl.constexpr,
    PDL: tl.constexpr,
):
    """Compute out = act(norm(x + sum of parts) W^T + b), and store x + sum of parts to x_out.

    Grid: (ceil(COLUMNS / BLOCK), ceil(rows / 16)).
    """
    column = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    row = tl.program_id(1) * ROWS + tl.arange(0, ROWS)
    k = tl.arange(0, PADDED)
    present = (k < WIDTH)[:, None] & (column < COLUMNS)[None]
    w = tl.load(weight + column[None] * WIDTH + k[:, None], mask=present, other=0.0)
    if PDL:
        wait_for_previous()
    y = normed(
        x, parts, x_out, gain, shift, eps, rows, row, tl.program_id(0) == 0,
        WIDTH, PADDED, PARTS, SHIFT,
    )  # fmt: skip
    total = tl.dot(y.to(w.dtype), w, input_precision="ieee")
    if PDL:
        start_next()
    if BIAS:
        total += tl.load(bias + column, mask=column < COLUMNS, other=0.0).to(tl.float32)[None]
    if GELU:
        total = total * 0.5 * (1.0 + tl.erf(total * 0.7071067811865476))
    valid = (row < rows)[:, None] & (column < COLUMNS)[None]
    tl.store(out + row[:, None] * COLUMNS + column[None], total, mask=valid)


@triton.jit(do_not_specialize=["rows"])
def join_linear(
    sums,
    maxima,
    weights,
    weight,
    bias,
    parts,
    rows,
    HEADS: tl.constexpr,
    WIDTH: tl.constexpr,
    CHUNKS: tl.constexpr,
    PADDED: tl.constexpr,
    HEADS_EACH: tl.constexpr,
    BIAS: tl.constexpr,
    BLOCK: tl.constexpr,
    PDL: tl.constexpr,
):
    """Join the chunks of attention, and multiply some heads with their columns of W.

    Grid: (ceil(HEADS * WIDTH / BLOCK), HEADS / HEADS_EACH, ceil(rows / 16)). Writes one part of
    (rows, HEADS * WIDTH) float32 for each group of heads; the output is the sum of the parts.
    """
    hidden: tl.constexpr = HEADS * WIDTH
    column = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    group = tl.program_id(1)
    row = tl.program_id(2) * ROWS + tl.arange(0, ROWS)
    k = tl.arange(0, WIDTH)
    valid = row < rows
    if PDL:
        wait_for_previous()
    total = tl.zeros([ROWS, BLOCK], tl.float32)
    for index in tl.static_range(HEADS_EACH):
        head = group * HEADS_EACH + index
        at = column[None] * hidden + head * WIDTH + k[:, None]
        w = tl.load(weight + at, mask=(column < hidden)[None] & (k >= 0)[:, None], other=0.0)
        row_heads = row * HEADS + head
        a = joined_chunks(sums, maxima, weights, row_heads, valid, WIDTH, CHUNKS, PADDED)
        total = tl.dot(a.to(w.dtype), w, total, input_precision="ieee")
    if PDL:
        start_next()
    if BIAS:
        b = tl.load(bias + column, mask=column < hidden, other=0.0).to(tl.float32)
        total += tl.where(group == 0, b, 0.0)[None]
    out = parts + group * rows * hidden + row[:, None] * hidden + column[None]
    tl.store(out, total, mask=valid[:, None] & (column < hidden)[None])


@triton.jit(do_not_specialize=["rows"])
def split_linear(
    x,
    weight,
    bias,
    parts,
    rows,
    WIDTH: tl.constexpr,
    COLUMNS: tl.constexpr,
    EACH: tl.constexpr,
    PADDED: tl.constexpr,
    BIAS: tl.constexpr,
    BLOCK: tl.constexpr,
    PDL: tl.constexpr,
):
    """Multiply ranges of EACH columns of x with those of W; the output is the sum of the parts.

    Grid: (ceil(COLUMNS / BLOCK), WIDTH / EACH, ceil(rows / 16)). Writes one part of (rows, COLUMNS)
    float32 for each range.
    """
    column = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    split = tl.program_id(1)
    row = tl.program_id(2) * ROWS + tl.arange(0, ROWS)
    index = tl.arange(0, PADDED)
    k = split * EACH + index
    present = (index < EACH)[:, None] & (column < COLUMNS)[None]
    w = tl.load(weight + column[None] * WIDTH + k[:, None], mask=present, other=0.0)
    if PDL:
        wait_for_previous()
    present = (row < rows)[:, None] & (index < EACH)[None]
    a = tl.load(x + row[:, None] * WIDTH + k[None], mask=present, other=0.0)
    total = tl.dot(a.to(w.dtype), w, input_precision="ieee")
    if PDL:
        start_next()
    if BIAS:
        b = tl.load(bias + column, mask=column < COLUMNS, other=0.0).to(tl.float32)
        total += tl.where(split == 0, b, 0.0)[None]
    out = parts + split * rows * COLUMNS + row[:, None] * COLUMNS + column[None]
    tl.store(out, total, mask=(row < rows)[:, None] & (column < COLUMNS)[None])


@triton.jit(do_not_specialize=["rows"])
def add_norm(
    x,
    parts,
    gain,
    shift,
    out,
    eps,
    rows,
    WIDTH: tl.constexpr,
    PADDED: tl.constexpr,
    PARTS: tl.constexpr,
    SHIFT: tl.constexpr,
    PDL: tl.constexpr,
):
    """Compute out = norm(x + sum of parts). Grid: (ceil(rows / 16),)."""
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    column = tl.arange(0, PADDED)
    if PDL:
        wait_for_previous()
    y = normed(x, parts, x, gain, shift, eps, rows, row, False, WIDTH, PADDED, PARTS, SHIFT)
    if PDL:
        start_next()
    valid = (row < rows)[:, None] & (column < WIDTH)[None]
    tl.store(out + row[:, None] * WIDTH + column[None], y, mask=valid)
