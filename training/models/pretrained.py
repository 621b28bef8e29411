"""Load the weights of an exported checkpoint: the inverse of `training.publish.export`."""

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn


def adopt(model: nn.Module, folder: Path, part: str) -> None:
    """Load the weights of `part` from a checkpoint into `model`, as float32.

    Raises:
        RuntimeError: Names or shapes differ.
    """
    prefix = f"{part}."
    state = {
        name.removeprefix(prefix): tensor.float()
        for name, tensor in load_file(folder / "model.safetensors").items()
        if name.startswith(prefix)
    }
    model.load_state_dict(state)


def codebooks(folder: Path, count: int) -> list[torch.Tensor]:
    """Return the decoder's vectors of the first codebooks, (1024, hidden) each."""
    tensors = load_file(folder / "model.safetensors")
    names = [f"codec_model.quantizer.layers.{index}.codebook.embed" for index in range(count)]
    return [tensors[name].float() for name in names]
