"""The EnCodec decoder: codes to samples, chunk by chunk, with explicit state.

Source: "High Fidelity Neural Audio Compression" (Defossez et al. 2022); transformers EncodecDecoder
and EncodecResidualVectorQuantizer.decode.
"""

import math

import torch
from torch import Tensor, nn

from barkserve.checkpoint.bark_config import EncodecConfig
from barkserve.errors import CheckpointError
from barkserve.models.streaming import StreamingConv1d, StreamingConvTranspose1d, StreamingLSTM

StatefulLayer = StreamingConv1d | StreamingConvTranspose1d | StreamingLSTM


class ResidualBlock(nn.Module):
    """SEANet's residual block. Source: transformers EncodecResnetBlock."""

    def __init__(self, config: EncodecConfig, channels: int, dilation: int) -> None:
        super().__init__()
        hidden = channels // config.compress
        kernel = config.residual_kernel_size
        self.block = nn.ModuleList(
            [
                nn.ELU(),
                StreamingConv1d(channels, hidden, kernel, dilation, config.pad_mode),
                nn.ELU(),
                StreamingConv1d(hidden, channels, 1, 1, config.pad_mode),
            ]
        )
        self.shortcut = (
            StreamingConv1d(channels, channels, 1, 1, config.pad_mode)
            if config.use_conv_shortcut
            else nn.Identity()
        )


class EncodecDecoder(nn.Module):
    """Sums the vectors of a frame's codes and decodes them with SEANet.

    Attributes:
        config: the shapes and rates.
        hop_length: samples per frame.
        first_frames: minimum length of an utterance's first chunk. A shorter one would be padded
            differently than the whole utterance.
        state_size: numbers in a row's state.
    """

    def __init__(self, config: EncodecConfig, num_codebooks: int) -> None:
        super().__init__()
        _check_streamable(config)
        self.config = config
        self.hop_length = config.hop_length
        self.codebooks = nn.ParameterList(
            nn.Parameter(torch.zeros(config.codebook_size, config.codebook_dim))
            for _ in range(num_codebooks)
        )
        self.layers = nn.ModuleList(_decoder_layers(config))
        self.first_frames = config.first_frames
        self.state_size = sum(
            math.prod(part.state_shape)
            for part in self.modules()
            if isinstance(part, StatefulLayer)
        )

    def forward(self, codes: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor]:
        """Decode the next frames.

        Args:
            codes: (B, T, num_codebooks) int64. At the start T >= first_frames, unless the utterance
                is shorter; later T >= 1. Rows may be padded on the right with arbitrary codes.
            state: the state that the previous call returned; None at the start of an utterance.

        Returns:
            (B, T * hop_length) samples, and the next state, (B, state_size).
        """
        vectors = [book[codes[:, :, index]] for index, book in enumerate(self.codebooks)]
        x = torch.stack(vectors).sum(dim=0).transpose(1, 2)  # (B, codebook_dim, T)
        cursor = _Cursor(state)
        for layer in self.layers:
            x = _run(layer, x, cursor)
        return x[:, 0], torch.cat(cursor.after, dim=1)

    def run_lstm_stepwise(self) -> None:
        """Run the LSTM with kernels that a graph can capture."""
        for layer in self.layers:
            if isinstance(layer, StreamingLSTM):
                layer.stepwise = True


class _Cursor:
    """Hands each layer its part of the state, and collects the next parts."""

    def __init__(self, state: Tensor | None) -> None:
        self._before = state
        self._at = 0
        self.after: list[Tensor] = []

    def step(self, layer: StatefulLayer, x: Tensor) -> Tensor:
        before = None
        if self._before is not None:
            size = math.prod(layer.state_shape)
            own = self._before.narrow(1, self._at, size)
            before = own.reshape(len(own), *layer.state_shape)
            self._at += size
        x, after = layer(x, before)
        self.after.append(after.flatten(1))
        return x


def _run(layer: nn.Module, x: Tensor, cursor: _Cursor) -> Tensor:
    if isinstance(layer, ResidualBlock):
        y = x
        for inner in layer.block:
            y = _run(inner, y, cursor)
        return _run(layer.shortcut, x, cursor) + y
    if isinstance(layer, StatefulLayer):
        return cursor.step(layer, x)
    out: Tensor = layer(x)
    return out


def _decoder_layers(config: EncodecConfig) -> list[nn.Module]:
    """Make the layers in transformers' order: the checkpoint's names count them."""
    channels = config.num_filters * 2 ** len(config.upsampling_ratios)
    layers: list[nn.Module] = [
        StreamingConv1d(config.hidden_size, channels, config.kernel_size, 1, config.pad_mode),
        StreamingLSTM(channels, config.num_lstm_layers),
    ]
    for ratio in config.upsampling_ratios:
        layers += [nn.ELU(), StreamingConvTranspose1d(channels, channels // 2, ratio)]
        channels //= 2
        layers += [
            ResidualBlock(config, channels, config.dilation_growth_rate**index)
            for index in range(config.num_residual_layers)
        ]
    layers += [
        nn.ELU(),
        StreamingConv1d(
            channels, config.audio_channels, config.last_kernel_size, 1, config.pad_mode
        ),
    ]
    return layers


def _check_streamable(config: EncodecConfig) -> None:
    """Raise CheckpointError for EnCodec variants that cannot be decoded in chunks."""
    causal = config.use_causal_conv and config.trim_right_ratio == 1.0
    if not causal or config.norm_type != "weight_norm" or config.audio_channels != 1:
        raise CheckpointError(
            "the checkpoint's codec is not the causal mono EnCodec of Bark "
            "(use_causal_conv, trim_right_ratio 1.0, weight_norm, 1 channel): use suno/bark, "
            "suno/bark-small or a checkpoint with the same codec"
        )
