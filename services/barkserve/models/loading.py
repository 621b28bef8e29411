"""A stage's model from a checkpoint: shapes from its config, tensors by name, strictly. Knows no
requests.

A model is made without memory and takes the tensors that are read as they are: at no time is it
there twice.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn

from barkserve.checkpoint.bark_config import CausalConfig
from barkserve.checkpoint.tensors import COARSE, CODEC, FINE, SEMANTIC, Checkpoint
from barkserve.errors import CheckpointError, StartupError
from barkserve.models.attention import Backend, cached_attention, full_attention
from barkserve.models.causal import CausalModel
from barkserve.models.encodec import EncodecDecoder
from barkserve.models.fine import FineModel
from barkserve.models.linear import can_pack, pack_linear

Model = TypeVar("Model", bound=nn.Module)
Tensors = dict[str, Tensor]


@dataclass(frozen=True)
class Placement:
    """Where and how a model computes.

    Attributes:
        device: where.
        dtype: of what is computed between linear layers, and of the cache.
        attention: how attention is computed.
        linear_dtype: of the weights of the transformers' linear layers; None means dtype.
    """

    device: torch.device
    dtype: torch.dtype
    attention: Backend
    linear_dtype: torch.dtype | None = None

    @property
    def weights(self) -> torch.dtype:
        """The dtype of the linear layers."""
        return self.linear_dtype or self.dtype

    @classmethod
    def of(cls, device: str, dtype: str, attention: Backend) -> "Placement":
        """Parse option values. Raises StartupError for a device that is not there, and for a dtype
        that it does not have.
        """
        try:
            chosen = torch.device(device)
        except RuntimeError as error:
            raise StartupError(f"--device: {device!r} is not cpu, cuda or cuda:N") from error
        if chosen.type == "cuda" and not torch.cuda.is_available():
            raise StartupError(
                "--device cuda: torch sees no CUDA device here; "
                "use --device cpu or a CUDA build of torch"
            )
        given = getattr(torch, dtype)
        packs = can_pack(chosen, given)
        if given is torch.int8 and not packs:
            raise StartupError(
                "--dtype int8 needs --device cpu and a processor with AVX-512 VNNI; "
                "use float16 or bfloat16 on a GPU, bfloat16 or float32 on another processor"
            )
        if packs and given in (torch.bfloat16, torch.int8):
            # on a CPU attention is faster in float32, and it costs nothing to be exact there
            return cls(chosen, torch.float32, attention, linear_dtype=given)
        return cls(chosen, given, attention)


def load_semantic(checkpoint: Checkpoint, placement: Placement) -> CausalModel:
    """The semantic model."""
    return _load_causal(checkpoint, SEMANTIC, checkpoint.bark.semantic, placement)


def load_coarse(checkpoint: Checkpoint, placement: Placement) -> CausalModel:
    """The coarse model."""
    return _load_causal(checkpoint, COARSE, checkpoint.bark.coarse, placement)


def load_fine(checkpoint: Checkpoint, placement: Placement) -> FineModel:
    """The fine model; heads that the file leaves out are tied to the next codebook's
    embedding.
    """
    attention = full_attention(placement.attention, placement.device, placement.dtype)
    config = checkpoint.bark.fine
    tensors = checkpoint.tensors(FINE, to=(placement.device, placement.dtype))
    for head in range(config.n_codes_total - config.n_codes_given):
        tied = tensors.get(f"input_embeds_layers.{head + 1}.weight")
        if tied is not None:
            tensors.setdefault(f"lm_heads.{head}.weight", tied)
    model = _filled(lambda: FineModel(config, attention), tensors, FINE, placement)
    pack_linear(model, placement.weights)
    return model


def load_codec(checkpoint: Checkpoint, placement: Placement) -> EncodecDecoder:
    """The codec's decoder, with weight normalisation folded into its weights."""
    config = checkpoint.bark
    tensors = _fold_weight_norm(checkpoint.tensors(CODEC, ("decoder.", "quantizer.")))
    books = config.fine_generation.n_fine_codebooks
    renamed = {
        name.removeprefix("decoder."): value
        for name, value in tensors.items()
        if name.startswith("decoder.")
    }
    for book in range(books):
        renamed[f"codebooks.{book}"] = tensors[f"quantizer.layers.{book}.codebook.embed"]
    return _filled(lambda: EncodecDecoder(config.codec, books), renamed, CODEC, placement)


def _load_causal(
    checkpoint: Checkpoint, prefix: str, config: CausalConfig, placement: Placement
) -> CausalModel:
    attention = cached_attention(placement.attention, placement.device, placement.dtype)
    tensors = checkpoint.tensors(prefix, to=(placement.device, placement.dtype))
    model = _filled(
        lambda: CausalModel(config, attention, placement.weights), tensors, prefix, placement
    )
    pack_linear(model.layers, placement.weights)  # lm_head stays: CausalModel.head takes it apart
    return model


def _filled(
    build: Callable[[], Model], tensors: Tensors, prefix: str, placement: Placement
) -> Model:
    """A model with these tensors, strictly by name: in its place and dtype, frozen. Takes the
    tensors out of the dictionary, so that whoever replaces one in the model frees its memory.
    """
    with torch.device("meta"):
        model = build()
    try:
        model.load_state_dict(tensors, strict=True, assign=True)
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise CheckpointError(
            f"the checkpoint's {prefix}* tensors do not fit its config.json: {reason}"
        ) from error
    tensors.clear()
    return model.to(placement.device, placement.dtype).requires_grad_(False).eval()


def _fold_weight_norm(tensors: Tensors) -> Tensors:
    """G * v / |v| for every weight kept as (original0 = g, original1 = v), the norm taken over all
    but dimension 0.
    """
    folded: Tensors = {}
    for name, value in tensors.items():
        stem, mark, part = name.partition(".parametrizations.weight.original")
        if not mark:
            folded[name] = value
        elif part == "1":
            gain = tensors[f"{stem}{mark}0"].float()
            folded[f"{stem}.weight"] = torch._weight_norm(value.float(), gain, 0)
    return folded
