"""Memory use of a model."""

from torch import Tensor, nn

from barkserve.models.linear import Int8Linear, PackedLinear


def weight_bytes(model: nn.Module) -> int:
    """Return the bytes of all weights. A shared weight counts once."""
    own = {parameter.data_ptr(): parameter.nbytes for parameter in model.parameters()}
    packed = [each for each in model.modules() if isinstance(each, PackedLinear | Int8Linear)]
    return sum(own.values()) + sum(layer.nbytes for layer in packed)


def memory_report(model: nn.Module, cache: Tensor | None = None) -> str:
    """Describe weights and cache in one line: MB, dtype and device."""
    some = next(model.parameters())
    text = f"weights {weight_bytes(model) / 1e6:.0f} MB"
    if cache is not None:
        text += f", cache {cache.nbytes / 1e6:.0f} MB of {cache.shape[2] - 1} slots"
    return f"{text} ({str(some.dtype).removeprefix('torch.')} on {some.device})"
