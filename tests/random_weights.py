"""Random weights at which a network says something, and the files in which checkpoints hold them.

Knows modules; knows no specs of checkpoints.
"""

import json
from pathlib import Path
from typing import Literal

import torch
from torch import nn
from transformers import BarkModel

WeightsFormat = Literal["safetensors", "safetensors_sharded", "bin", "bin_sharded"]


def enliven(network: nn.Module) -> None:
    """Weights at which logits have a standard deviation of about 3 and attention is not flat."""
    for module in network.modules():
        if isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight)
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=1.0 / module.in_features**0.5)
        elif isinstance(module, nn.LayerNorm):
            nn.init.normal_(module.weight, mean=1.0, std=0.1)
        if isinstance(module, nn.Linear | nn.LayerNorm) and module.bias is not None:
            nn.init.normal_(module.bias, std=0.1)
    head = getattr(network, "lm_head", None)
    if head is not None:
        nn.init.normal_(head.weight, std=3.0 / head.in_features**0.5)


def enliven_codec(codec: nn.Module) -> None:
    """Codebooks that matter less and less."""
    for number, layer in enumerate(codec.quantizer.layers):
        nn.init.normal_(layer.codebook.embed, std=0.7**number)
        layer.codebook.embed_avg.copy_(layer.codebook.embed)


def save_weights(model: BarkModel, folder: Path, weights_format: WeightsFormat) -> None:
    """As transformers would, in one file or several."""
    if weights_format == "safetensors":
        model.save_pretrained(folder)
    elif weights_format == "safetensors_sharded":
        model.save_pretrained(folder, max_shard_size="100KB")
    elif weights_format == "bin":
        torch.save(model.state_dict(), folder / "pytorch_model.bin")
    else:
        _save_bin_shards(model.state_dict(), folder)


def _save_bin_shards(state: dict[str, torch.Tensor], folder: Path) -> None:
    """Two .bin files and their index, the stages' tensors mixed."""
    files = [f"pytorch_model-0000{part}-of-00002.bin" for part in (1, 2)]
    weight_map = {name: files[number % 2] for number, name in enumerate(state)}
    for file in files:
        shard = {name: tensor for name, tensor in state.items() if weight_map[name] == file}
        torch.save(shard, folder / file)
    index = {"metadata": {}, "weight_map": weight_map}
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps(index))
