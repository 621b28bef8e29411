"""Triton kernels of decode attention over slots of a key/value cache.

The positions of a slot are cut into chunks of fixed length. A chunk is computed on its own, and
chunks are joined in a fixed order. How many chunks one program computes changes no bit.
"""

import triton
import triton.language as tl

from barkserve.kernels.dependent_launch import start_next, wait_for_previous

EMPTY = tl.constexpr(-1e30)  # maximum of a chunk without positions


@triton.jit(do_not_specialize=["chunks_each"])
def attend_chunks(
    q,
    k,
    v,
    keys,
    values,
    starts,
    slots,
    sums,
    maxima,
    weights,
    row_stride,
    slot_stride,
    head_stride,
    scale,
    chunks_each,
    POSITIONS: tl.constexpr,
    HEADS: tl.constexpr,
    WIDTH: tl.constexpr,
    CHUNK: tl.constexpr,
    CHUNKS: tl.constexpr,
    BLOCK: tl.constexpr,
    PDL: tl.constexpr,
):
    """Append one position per row, and attend over each chunk of its slot.

    Grid: (rows * HEADS, ceil(CHUNKS / chunks_each)). Writes for each row, head and chunk the sum of
    exp(score - maximum) * value, the maximum, and the sum of the exponentials.
    """
    row_head = tl.program_id(0)
    row = row_head // HEADS
    head = row_head % HEADS
    first = tl.program_id(1) * chunks_each
    held = tl.load(starts + row).to(tl.int32)
    slot = tl.load(slots + row).to(tl.int64)
    width = tl.arange(0, WIDTH)
    source = row.to(tl.int64) * row_stride + head * WIDTH + width
    base = slot * slot_stride + head * head_stride
    if PDL:
        wait_for_previous()
        start_next()
    query = tl.load(q + source).to(tl.float32) * scale
    for chunk in range(first, tl.minimum(first + chunks_each, CHUNKS)):
        maximum = EMPTY
        weight = 0.0
        total = tl.zeros([WIDTH], tl.float32)
        if chunk == 0:  # the new position counts to the first chunk, wherever it is stored
            key = tl.load(k + source)
            value = tl.load(v + source)
            if held < POSITIONS:
                tl.store(keys + base + held * WIDTH + width, key)
                tl.store(values + base + held * WIDTH + width, value)
            maximum = tl.sum(query * key.to(tl.float32), 0)
            weight = 1.0
            total = value.to(tl.float32)
        end = tl.minimum((chunk + 1) * CHUNK, held)
        for start in range(chunk * CHUNK, end, BLOCK):
            position = start + tl.arange(0, BLOCK)
            present = position < end
            at = base + position[:, None] * WIDTH + width[None]
            key = tl.load(keys + at, mask=present[:, None], other=0.0).to(tl.float32)
            value = tl.load(values + at, mask=present[:, None], other=0.0).to(tl.float32)
            scores = tl.where(present, tl.sum(key * query[None], 1), EMPTY)
            raised = tl.maximum(maximum, tl.max(scores, 0))
            decay = tl.exp(maximum - raised)
            share = tl.exp(scores - raised)
            total = total * decay + tl.sum(value * share[:, None], 0)
            weight = weight * decay + tl.sum(share, 0)
            maximum = raised
        out = row_head * CHUNKS + chunk
        tl.store(sums + out * WIDTH + width, total)
        tl.store(maxima + out, maximum)
        tl.store(weights + out, weight)


@triton.jit
def joined_chunks(
    sums,
    maxima,
    weights,
    row_heads,
    valid,
    WIDTH: tl.constexpr,
    CHUNKS: tl.constexpr,
    PADDED: tl.constexpr,
):
    """Join the chunks of some rows of one head. Returns (len(row_heads), WIDTH) float32."""
    chunk = tl.arange(0, PADDED)
    width = tl.arange(0, WIDTH)
    at = row_heads[:, None] * CHUNKS + chunk[None]
    present = valid[:, None] & (chunk < CHUNKS)[None]
    maximum = tl.load(maxima + at, mask=present, other=EMPTY)
    share = tl.exp(maximum - tl.max(maximum, 1)[:, None])
    weight = tl.sum(tl.load(weights + at, mask=present, other=1.0) * share, 1)
    parts = tl.load(
        sums + at[:, :, None] * WIDTH + width[None, None], mask=present[:, :, None], other=0.0
    )
    return tl.sum(parts * share[:, :, None], 1) / weight[:, None]


@triton.jit(do_not_specialize=["row_heads"])
def join_chunks(
    sums,
    maxima,
    weights,
    out,
    row_heads,
    WIDTH: tl.constexpr,
    CHUNKS: tl.constexpr,
    PADDED: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Join the chunks of all rows and heads. Grid: (ceil(row_heads / BLOCK),)."""
    index = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    valid = index < row_heads
    joined = joined_chunks(sums, maxima, weights, index, valid, WIDTH, CHUNKS, PADDED)
    at = index[:, None] * WIDTH + tl.arange(0, WIDTH)[None]
    tl.store(out + at, joined, mask=valid[:, None])
