"""Where Triton launches kernels: on the current device of CUDA, not on that of the tensors."""

from contextlib import AbstractContextManager

import torch
from torch import Tensor


def device_of(tensor: Tensor) -> AbstractContextManager[None]:
    """Make a tensor's device the current one; does nothing for a tensor on the CPU."""
    context: AbstractContextManager[None] = torch.cuda.device_of(tensor)  # type: ignore[no-untyped-call]
    return context
