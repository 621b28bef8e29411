"""Weights of an exported checkpoint, to train on from: the inverse of `training.publish.export`.

Knows the state names of transformers' BarkModel; knows no data.
"""

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn


def adopt(model: nn.Module, folder: Path, part: str) -> None:
    """Give `model` the weights that the checkpoint in `folder` keeps under `part`.

    float16 becomes float32; raises RuntimeError if names or shapes differ.
    """
    prefix = f"{part}."
    state = {
        name.removeprefix(prefix): tensor.float()
        for name, tensor in load_file(folder / "model.safetensors").items()
        if name.startswith(prefix)
    }
    model.load_state_dict(state)


def codebooks(folder: Path, count: int) -> list[torch.Tensor]:
    """Vectors (1024, hidden) of the first codebooks, as the decoder knows them."""
    tensors = load_file(folder / "model.safetensors")
    names = [f"codec_model.quantizer.layers.{index}.codebook.embed" for index in range(count)]
    return [tensors[name].float() for name in names]
