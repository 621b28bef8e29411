"""Causal convolutions and an LSTM that take their state in and give it out, so that any chunking
equals the whole.

Weights live in the module, state never does: a state is a tensor with the batch row first, None at
the very start. Design after Kyutai's pocket-tts; the arithmetic is transformers' EncodecConv1d,
EncodecConvTranspose1d, EncodecLSTM.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional


class StreamingConv1d(nn.Module):
    """A stride-1 causal convolution; its state is the last (kernel_size - 1) * dilation inputs."""

    def __init__(
        self, channels_in: int, channels_out: int, kernel_size: int, dilation: int, pad_mode: str
    ) -> None:
        super().__init__()
        self.conv = nn.Conv1d(channels_in, channels_out, kernel_size, dilation=dilation)
        self.pad_mode = pad_mode
        self.context = (kernel_size - 1) * dilation

    def forward(self, x: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor]:
        """x: (B, C_in, T); state: (B, C_in, context). Returns (B, C_out, T) and the next state."""
        padded = self._pad_start(x) if state is None else torch.cat([state, x], dim=-1)
        return self.conv(padded), padded[..., padded.shape[-1] - self.context :]

    def _pad_start(self, x: Tensor) -> Tensor:
        """Left padding at the very start; short inputs as transformers' EncodecConv1d._pad1d does
        them."""
        if self.context == 0:
            return x
        if self.pad_mode != "reflect":
            return functional.pad(x, (self.context, 0), self.pad_mode)
        missing = max(0, self.context - x.shape[-1] + 1)
        padded = functional.pad(functional.pad(x, (0, missing)), (self.context, 0), "reflect")
        return padded[..., : padded.shape[-1] - missing]


class StreamingConvTranspose1d(nn.Module):
    """An upsampling convolution with kernel_size = 2 * stride, trimmed on the right; its state is
    the overlap."""

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.conv = nn.ConvTranspose1d(channels_in, channels_out, 2 * stride, stride)
        self.stride = stride

    def forward(self, x: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor]:
        """x: (B, C_in, T); state: (B, C_out, stride). Returns (B, C_out, T * stride) and the next
        state."""
        bias = self.conv.bias
        assert bias is not None
        full = functional.conv_transpose1d(
            x, self.conv.weight, None, self.stride
        )  # (B, C_out, (T + 1) * stride)
        if state is not None:
            full = torch.cat([full[..., : self.stride] + state, full[..., self.stride :]], dim=-1)
        return full[..., : -self.stride] + bias[:, None], full[..., -self.stride :]


class StreamingLSTM(nn.Module):
    """A residual LSTM over time; its state is (h, c) of every layer."""

    def __init__(self, channels: int, num_layers: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(channels, channels, num_layers)

    def forward(self, x: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor]:
        """x: (B, C, T); state: (B, 2, layers, C). Returns (B, C, T) and the next state."""
        inputs = x.permute(2, 0, 1)  # (T, B, C)
        carried = None
        if state is not None:
            h, c = state.permute(1, 2, 0, 3).contiguous()  # each (layers, B, C)
            carried = (h, c)
        outputs, (h, c) = self.lstm(inputs, carried)
        return (outputs + inputs).permute(1, 2, 0), torch.stack([h, c]).permute(2, 0, 1, 3)
