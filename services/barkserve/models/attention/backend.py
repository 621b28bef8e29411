"""Chooses the implementation of attention.

`eager` is the plain formula and the reference. `sdpa` is torch's fused kernel. `flash` is
flash-attn, on CUDA in float16 or bfloat16. `triton` is this project's kernel for decodes, on CUDA.
"""

from importlib.util import find_spec
from typing import Literal, cast

import torch

from barkserve.errors import StartupError
from barkserve.kernels.toolchain import triton_problem
from barkserve.models.attention.eager import EagerAttention
from barkserve.models.attention.flash import FlashAttention
from barkserve.models.attention.full import FullAttention, eager_full, flash_full, sdpa_full
from barkserve.models.attention.host import HostAttention
from barkserve.models.attention.sdpa import SdpaAttention
from barkserve.models.attention.slots import SlotAttention
from barkserve.models.attention.triton import TritonAttention
from barkserve.models.device import DeviceCapabilities
from barkserve.options import AUTO

Backend = Literal["flash", "triton", "sdpa", "eager"]

_FLASH_DTYPES = (torch.float16, torch.bfloat16)


def choose_backend(attention: str, capabilities: DeviceCapabilities, dtype: torch.dtype) -> Backend:
    """Turn a value of --attention into a backend: auto becomes the fastest one that runs."""
    if attention != AUTO:
        return cast(Backend, attention)
    if capabilities.runs_flash and dtype in _FLASH_DTYPES and find_spec("flash_attn"):
        return "flash"
    return "triton" if capabilities.runs_triton and triton_problem() is None else "sdpa"


def _check_flash(device: torch.device, dtype: torch.dtype) -> None:
    if not DeviceCapabilities.of(device).runs_flash or dtype not in _FLASH_DTYPES:
        raise StartupError(
            "--attention flash needs --device cuda, a GPU from Ampere on, and --dtype float16 or "
            "bfloat16; use --attention sdpa"
        )
    try:
        import flash_attn  # noqa: F401
    except ImportError as error:
        raise StartupError(
            "--attention flash needs flash-attn: pip install 'barkserve[flash]', "
            "or use --attention sdpa"
        ) from error


def _check_triton(device: torch.device) -> None:
    if not DeviceCapabilities.of(device).runs_triton:
        raise StartupError(
            "--attention triton needs --device cuda and an NVIDIA GPU from Ampere on; use "
            "--attention sdpa"
        )
    if problem := triton_problem():
        raise StartupError(f"--attention triton: {problem}, or use --attention sdpa")


def full_attention(backend: Backend, device: torch.device, dtype: torch.dtype) -> FullAttention:
    """Return the bidirectional attention of a backend.

    Raises:
        StartupError: the backend does not run on this device or dtype.
    """
    if backend == "flash":
        _check_flash(device, dtype)
        return flash_full
    return eager_full if backend == "eager" else sdpa_full


def slot_attention(backend: Backend, device: torch.device, dtype: torch.dtype) -> SlotAttention:
    """Return the causal attention of a backend.

    Raises:
        StartupError: the backend does not run on this device or dtype.
    """
    if backend == "flash":
        _check_flash(device, dtype)
        return FlashAttention()
    if backend == "triton":
        _check_triton(device)
        return TritonAttention()
    if backend == "eager":
        return EagerAttention()
    return HostAttention() if device.type == "cpu" else SdpaAttention()
