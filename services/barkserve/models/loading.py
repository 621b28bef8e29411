"""Loads a stage's model from a checkpoint: shapes from its config, tensors strictly by name.

A model is built on the meta device and takes over the loaded tensors. Its weights are in memory
only once.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

import torch
from torch import Tensor, nn

from barkserve.checkpoint.bark_config import CausalConfig
from barkserve.checkpoint.tensors import COARSE, CODEC, FINE, SEMANTIC, Checkpoint
from barkserve.errors import CheckpointError, StartupError
from barkserve.models.attention.backend import (
    Backend,
    choose_backend,
    full_attention,
    slot_attention,
)
from barkserve.models.attention.full import in_bfloat16
from barkserve.models.causal import CausalModel
from barkserve.models.device import DeviceCapabilities
from barkserve.models.encodec import EncodecDecoder
from barkserve.models.fine import FineModel
from barkserve.models.linear import can_pack, fast_weights, pack_linear
from barkserve.options import AUTO

_DRAFTED_BYTES = 64 << 20
"""Layers below this size stay in a CPU's caches. A step of them takes no longer than a draft."""

Model = TypeVar("Model", bound=nn.Module)
Tensors = dict[str, Tensor]


@dataclass(frozen=True)
class Placement:
    """Where and how a model computes.

    Attributes:
        device: the device.
        dtype: dtype of the activations and of the cache.
        attention: the attention backend.
        linear_dtype: dtype of the weights of linear layers; None: dtype.
        draft_dtype: dtype of the weights that draft tokens; None: no drafts.
    """

    device: torch.device
    dtype: torch.dtype
    attention: Backend
    linear_dtype: torch.dtype | None = None
    draft_dtype: torch.dtype | None = None

    @property
    def capabilities(self) -> DeviceCapabilities:
        """What the device can do."""
        return DeviceCapabilities.of(self.device)

    @property
    def weights(self) -> torch.dtype:
        """The dtype of the weights of linear layers."""
        return self.linear_dtype or self.dtype

    @property
    def fastest(self) -> "Placement":
        """The same, with the weights that the processor multiplies fastest instead of float32."""
        if self.weights is not torch.float32:
            return self
        return replace(self, linear_dtype=fast_weights(self.device))

    @property
    def drafting(self) -> "Placement":
        """The same, with 8-bit weights that draft tokens, where they are faster than the model's.

        Drafted tokens are computed by `HostAttention`.
        """
        if self.attention != "sdpa" or self.weights is not torch.float32:
            return self
        if not can_pack(self.device, torch.int8):
            return self
        return replace(self, draft_dtype=torch.int8)

    @classmethod
    def parse(cls, device: str, dtype: str, attention: str) -> "Placement":
        """Parse option values.

        Args:
            device: a value of --device.
            dtype: a value of --dtype.
            attention: a value of --attention.

        Raises:
            StartupError: this machine lacks the device, or the device does not support the dtype.
        """
        return cls.on(DeviceCapabilities.parse(device), dtype, attention)

    @classmethod
    def on(cls, capabilities: DeviceCapabilities, dtype: str, attention: str) -> "Placement":
        """Choose dtypes and attention for a device. Arguments and errors are those of `parse`."""
        chosen = capabilities.device
        if dtype == AUTO:
            dtype = "float16" if capabilities.fast_float16 else "float32"
        given: torch.dtype = getattr(torch, dtype)
        backend = choose_backend(attention, capabilities, given)
        packs = can_pack(chosen, given)
        if given is torch.int8 and not packs:
            raise StartupError(
                "--dtype int8 needs --device cpu and a processor with AVX-512 VNNI; "
                "use float16 or bfloat16 on a GPU, bfloat16 or float32 on another processor"
            )
        if packs and given in (torch.bfloat16, torch.int8):
            # on a CPU attention is faster in float32
            return cls(chosen, torch.float32, backend, linear_dtype=given)
        return cls(chosen, given, backend)


def load_semantic(checkpoint: Checkpoint, placement: Placement) -> CausalModel:
    """Load the semantic model."""
    return _load_causal(checkpoint, SEMANTIC, checkpoint.bark.semantic, placement)


def load_coarse(checkpoint: Checkpoint, placement: Placement) -> CausalModel:
    """Load the coarse model."""
    return _load_causal(checkpoint, COARSE, checkpoint.bark.coarse, placement)


def load_fine(checkpoint: Checkpoint, placement: Placement) -> FineModel:
    """Load the fine model.

    A head that the file does not contain is tied to the next codebook's embedding.
    """
    attention = full_attention(placement.attention, placement.device, placement.dtype)
    rounded: tuple[str, ...] = ()
    if placement.linear_dtype is torch.bfloat16:
        attention, rounded = in_bfloat16(attention), ("att_proj",)
    config = checkpoint.bark.fine
    tensors = checkpoint.tensors(FINE, to=(placement.device, placement.dtype))
    for head in range(config.n_codes_total - config.n_codes_given):
        tied = tensors.get(f"input_embeds_layers.{head + 1}.weight")
        if tied is not None:
            tensors.setdefault(f"lm_heads.{head}.weight", tied)
    model = _load_into(lambda: FineModel(config, attention), tensors, FINE, placement)
    pack_linear(model, placement.weights, rounded)
    return model


def load_codec(checkpoint: Checkpoint, placement: Placement) -> EncodecDecoder:
    """Load the codec's decoder, with weight normalization folded into its weights.

    With bfloat16 it is loaded in float16: its samples have a signal-to-noise ratio of 66 dB then,
    and of 46 dB in bfloat16.
    """
    if placement.dtype is torch.bfloat16:
        placement = replace(placement, dtype=torch.float16)
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
    return _load_into(lambda: EncodecDecoder(config.codec, books), renamed, CODEC, placement)


def _load_causal(
    checkpoint: Checkpoint, prefix: str, config: CausalConfig, placement: Placement
) -> CausalModel:
    attention = slot_attention(placement.attention, placement.device, placement.dtype)
    tensors = checkpoint.tensors(prefix, to=(placement.device, placement.dtype))
    model = _load_into(
        lambda: CausalModel(config, attention, placement.weights), tensors, prefix, placement
    )
    large = sum(each.nbytes for each in model.layers.parameters()) >= _DRAFTED_BYTES
    model.pack(placement.draft_dtype if large else None)
    return model


def _load_into(
    build: Callable[[], Model], tensors: Tensors, prefix: str, placement: Placement
) -> Model:
    """Build a frozen model with these tensors on its device and in its dtype.

    Empties the dictionary: memory of a tensor that is replaced in the model is then freed.
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
    """Replace each pair (original0 = g, original1 = v) by g * v / |v|.

    The norm is taken over all dimensions but 0.
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
