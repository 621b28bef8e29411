"""Cumulative sums of rows. Needs Triton: import this module only where it is used."""

import torch
import triton
from torch import Tensor

from barkserve.kernels.launch_device import device_of
from barkserve.kernels.sum_kernels import sum_row

_WARPS = 8


def cumulative_sums(x: Tensor) -> Tensor:
    """Add up each row in an order that does not depend on the number of rows.

    torch.cumsum on CUDA takes another kernel for one row than for several.

    Args:
        x: (B, V) float32, each row dense.

    Returns:
        (B, V) float32.
    """
    rows, columns = x.shape
    out = torch.empty((rows, columns), dtype=x.dtype, device=x.device)
    with device_of(x):
        padded = triton.next_power_of_2(columns)
        sum_row[(rows,)](x, out, x.stride(0), columns, padded, num_warps=_WARPS)
    return out
