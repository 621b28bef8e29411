"""Causal convolutions and an LSTM with explicit state: the output does not depend on chunking.

A layer takes its state as an argument and returns the next one: a tensor with the batch row first,
None at the start of an utterance. Rows may be padded on the right with arbitrary values: outputs
never depend on later inputs. The next state is then that of the padding.

The design follows Kyutai's pocket-tts. The arithmetic is that of transformers' EncodecConv1d,
EncodecConvTranspose1d and EncodecLSTM.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional


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

    def forward(self, x: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor]:
        """Convolve the next inputs.

        Args:
            x: (B, C_in, T).
            state: (B, C_in, context).

        Returns:
            (B, C_out, T) and the next state.
        """
        padded = self._pad_start(x) if state is None else torch.cat([state, x], dim=-1)
        return self.conv(padded), padded[..., padded.shape[-1] - self.context :]

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

    def forward(self, x: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor]:
        """Upsample the next inputs.

        Args:
            x: (B, C_in, T).
            state: (B, C_out, stride).

        Returns:
            (B, C_out, T * stride) and the next state.
        """
        bias = self.conv.bias
        assert bias is not None
        weight = self.conv.weight
        full = functional.conv_transpose1d(x, weight, None, self.stride)  # (B, C_out, (T+1)*stride)
        if state is not None:
            full = torch.cat([full[..., : self.stride] + state, full[..., self.stride :]], dim=-1)
        return full[..., : -self.stride] + bias[:, None], full[..., -self.stride :]


class StreamingLSTM(nn.Module):
    """A residual LSTM over time. Its state is (h, c) of every layer.

    Attributes:
        stepwise: run one step after the other with plain kernels, which a graph can capture. The
            library's kernels for whole sequences may choose other algorithms inside a capture.
    """

    def __init__(self, channels: int, num_layers: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(channels, channels, num_layers)
        self.stepwise = False
        self.state_shape = (2, num_layers, channels)

    def forward(self, x: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor]:
        """Run the next inputs.

        Args:
            x: (B, C, T).
            state: (B, 2, layers, C).

        Returns:
            (B, C, T) and the next state.
        """
        inputs = x.permute(2, 0, 1)  # (T, B, C)
        if state is None:
            state = x.new_zeros(len(x), *self.state_shape)
        h, c = state.permute(1, 2, 0, 3).contiguous()  # each (layers, B, C)
        outputs, (h, c) = self._steps(inputs, h, c) if self.stepwise else self.lstm(inputs, (h, c))
        return (outputs + inputs).permute(1, 2, 0), torch.stack([h, c]).permute(2, 0, 1, 3)

    def _steps(self, x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Do what nn.LSTM does: (T, B, C) and (layers, B, C) twice to the same shapes."""
        ended = []
        for hidden, cell, weights in zip(h, c, self.lstm.all_weights, strict=True):
            outputs = []
            for inputs in x:
                hidden, cell = torch.lstm_cell(inputs, (hidden, cell), *weights)
                outputs.append(hidden)
            x = torch.stack(outputs)
            ended.append((hidden, cell))
        hiddens, cells = zip(*ended, strict=True)
        return x, (torch.stack(hiddens), torch.stack(cells))
