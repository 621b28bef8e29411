"""Causal convolutions and an LSTM with explicit state: the output does not depend on chunking.

A layer takes its state as an argument and returns the next one: a tensor with the batch row first,
None at the start of an utterance. Rows of different lengths are padded on the right with arbitrary
values. Given the end of each row, a layer returns each row's state at its end, and padding does not
change earlier outputs.

The design follows Kyutai's pocket-tts. The arithmetic is that of transformers' EncodecConv1d,
EncodecConvTranspose1d and EncodecLSTM.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence


class StreamingConv1d(nn.Module):
    """A causal convolution of stride 1.

    Its state is the last (kernel_size - 1) * dilation inputs.
    """

    def __init__(
        self, channels_in: int, channels_out: int, kernel_size: int, dilation: int, pad_mode: str
    ) -> None:
        super().__init__()
        self.conv = nn.Conv1d(channels_in, channels_out, kernel_size, dilation=dilation)
        self.pad_mode = pad_mode
        self.context = (kernel_size - 1) * dilation
        self.state_shape = (channels_in, self.context)

    def forward(
        self, x: Tensor, state: Tensor | None, ends: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Convolve the next inputs.

        Args:
            x: (B, C_in, T).
            state: (B, C_in, context).
            ends: (B,) int64, 1 to T: the length of each row; needs a state. None: T.

        Returns:
            (B, C_out, T) and the next state.
        """
        padded = self._pad_start(x) if state is None else torch.cat([state, x], dim=-1)
        if ends is None:
            return self.conv(padded), padded[..., padded.shape[-1] - self.context :]
        return self.conv(padded), _from(padded, ends, self.context)

    def _pad_start(self, x: Tensor) -> Tensor:
        """Pad the start of an utterance on the left, as transformers' EncodecConv1d._pad1d does."""
        if self.context == 0:
            return x
        if self.pad_mode != "reflect":
            return functional.pad(x, (self.context, 0), self.pad_mode)
        missing = max(0, self.context - x.shape[-1] + 1)
        padded = functional.pad(functional.pad(x, (0, missing)), (self.context, 0), "reflect")
        return padded[..., : padded.shape[-1] - missing]


class StreamingConvTranspose1d(nn.Module):
    """An upsampling convolution with kernel_size = 2 * stride, trimmed on the right.

    Its state is the overlap.
    """

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.conv = nn.ConvTranspose1d(channels_in, channels_out, 2 * stride, stride)
        self.stride = stride
        self.state_shape = (channels_out, stride)

    def forward(
        self, x: Tensor, state: Tensor | None, ends: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Upsample the next inputs.

        Args:
            x: (B, C_in, T).
            state: (B, C_out, stride).
            ends: (B,) int64, 1 to T: the length of each row. None: T.

        Returns:
            (B, C_out, T * stride) and the next state.
        """
        bias = self.conv.bias
        assert bias is not None
        if ends is not None:  # padding must not get into the overlap
            x = x.masked_fill(torch.arange(x.shape[-1], device=x.device) >= _column(ends), 0)
        weight = self.conv.weight
        full = functional.conv_transpose1d(x, weight, None, self.stride)  # (B, C_out, (T+1)*stride)
        if state is not None:
            full = torch.cat([full[..., : self.stride] + state, full[..., self.stride :]], dim=-1)
        samples = full[..., : -self.stride] + bias[:, None]
        if ends is None:
            return samples, full[..., -self.stride :]
        return samples, _from(full, ends * self.stride, self.stride)


class StreamingLSTM(nn.Module):
    """A residual LSTM over time. Its state is (h, c) of every layer."""

    def __init__(self, channels: int, num_layers: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(channels, channels, num_layers)
        self.state_shape = (2, num_layers, channels)

    def forward(
        self, x: Tensor, state: Tensor | None, ends: Sequence[int] | None = None
    ) -> tuple[Tensor, Tensor]:
        """Run the next inputs.

        Args:
            x: (B, C, T).
            state: (B, 2, layers, C).
            ends: the length of each row, 1 to T, on the host because the kernel needs it. None: T.

        Returns:
            (B, C, T) and the next state.
        """
        inputs = x.permute(2, 0, 1)  # (T, B, C)
        carried = None
        if state is not None:
            h, c = state.permute(1, 2, 0, 3).contiguous()  # each (layers, B, C)
            carried = (h, c)
        if ends is None:
            outputs, (h, c) = self.lstm(inputs, carried)
        else:
            packed = pack_padded_sequence(inputs, torch.tensor(ends), enforce_sorted=False)
            packed, (h, c) = self.lstm(packed, carried)
            outputs, _ = pad_packed_sequence(packed, total_length=len(inputs))
        return (outputs + inputs).permute(1, 2, 0), torch.stack([h, c]).permute(2, 0, 1, 3)


def _from(x: Tensor, starts: Tensor, width: int) -> Tensor:
    """Take `width` values of each row of (B, C, T), from the row's start on: (B, C, width)."""
    places = _column(starts) + torch.arange(width, device=x.device)  # (B, 1, width)
    return x.gather(-1, places.expand(-1, x.shape[1], -1))


def _column(values: Tensor) -> Tensor:
    return values[:, None, None]
