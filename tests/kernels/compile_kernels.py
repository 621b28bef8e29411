"""Compiles all kernels for an H100 without a GPU.

Run it as: python compile_kernels.py DTYPE HEADS [plain] [dependent].

Prints one JSON line per kernel. Triton's interpreter checks no types; the compiler does.
"""

import json
import sys
from pathlib import Path

import torch
from triton.backends.compiler import GPUTarget
from triton.runtime import driver
from triton.runtime.jit import JITFunction

sys.path.insert(0, str(Path(__file__).parents[2]))
from barkserve.kernels.cumulative_sums import cumulative_sums
from barkserve.kernels.decode_attention import attend_slots
from barkserve.kernels.fused_layers import FusedLayers
from tests.support.decode_step import random_step


class HopperDriver:
    """A driver for a GPU that is not there: kernels are compiled and not launched."""

    def get_current_target(self) -> GPUTarget:
        return GPUTarget("cuda", 90, 32)

    def get_current_device(self) -> int:
        return 0

    def get_current_stream(self, device: int) -> int:
        return 0


def compile_only(kernel: JITFunction, grid: object):
    """Replace kernel[grid]: the arguments are those of a launch."""

    def launch(*args: object, **options: object) -> None:
        compiled = kernel.run(*args, grid=grid, warmup=True, **options)
        shared, code = compiled.metadata.shared, len(compiled.asm["cubin"])
        dependent = "griddepcontrol" in compiled.asm["ptx"]
        line = {"kernel": kernel.__name__, "shared": shared, "code": code, "dependent": dependent}
        print(json.dumps(line), flush=True)

    return launch


def main(dtype: str, heads: str, *dependent: str) -> None:
    driver.set_active(HopperDriver())
    JITFunction.__getitem__ = compile_only
    step = random_step(2, int(heads), getattr(torch, dtype), positions=1024, layers=2)
    for dependent_launch in (each == "dependent" for each in dependent):
        layers = FusedLayers(step.layers, step.norm, step.heads, dependent_launch)
        hidden = layers(step.x, step.cache, step.slots, step.starts)
        layers.logits(hidden, step.head)
    qkv = torch.empty((2, 3, step.heads, 64), dtype=step.cache.dtype)
    attend_slots(*qkv.unbind(1), step.cache[0], step.slots, step.starts)
    cumulative_sums(torch.empty(2, 1024))


if __name__ == "__main__":
    main(*sys.argv[1:])
