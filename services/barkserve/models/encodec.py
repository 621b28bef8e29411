"""The EnCodec decoder: codes to samples, chunk by chunk, with its state handed in and out.

Source: "High Fidelity Neural Audio Compression" (Defossez et al. 2022); transformers EncodecDecoder
    and
EncodecResidualVectorQuantizer.decode. Knows no streams and no stream's beginning but a state of
None.
"""

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from barkserve.bark_config import EncodecConfig
from barkserve.errors import CheckpointError
from barkserve.models.streaming import StreamingConv1d, StreamingConvTranspose1d, StreamingLSTM

DecoderState = tuple[Tensor, ...]
"""The states of all stateful layers in order, each with the batch row first."""

StatefulLayer = StreamingConv1d | StreamingConvTranspose1d | StreamingLSTM


class ResidualBlock(nn.Module):
    """SEANet's residual block. transformers EncodecResnetBlock."""

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
    """Sums the codes' vectors and runs them through SEANet, carrying the state of every layer."""

    def __init__(self, config: EncodecConfig, num_codebooks: int) -> None:
        super().__init__()
        _check_streamable(config)
        self.hop_length = math.prod(config.upsampling_ratios)
        self.codebooks = nn.ParameterList(
            nn.Parameter(torch.zeros(config.codebook_size, config.codebook_dim))
            for _ in range(num_codebooks)
        )
        self.layers = nn.ModuleList(_decoder_layers(config))
        self.first_frames = config.first_frames

    def forward(self, codes: Tensor, state: DecoderState | None) -> tuple[Tensor, DecoderState]:
        """Decode the next frames.

        Args:
            codes: (B, T, num_codebooks) int64. At the very start T is first_frames at least, unless
                the utterance is shorter than that; later any T >= 1.
            state: what the previous call returned, None at the start of an utterance.

        Returns:
            (B, T * hop_length) samples, and the next state.
        """
        x = torch.stack(
            [book[codes[:, :, index]] for index, book in enumerate(self.codebooks)]
        ).sum(dim=0)
        cursor = _StateCursor(state)
        x = x.transpose(1, 2)  # (B, codebook_dim, T)
        for layer in self.layers:
            x = _run(layer, x, cursor)
        return x[:, 0], tuple(cursor.after)


class _StateCursor:
    """Walks through the layers' states in order, collecting the next ones."""

    def __init__(self, state: DecoderState | None) -> None:
        self._before: Iterator[Tensor] | None = None if state is None else iter(state)
        self.after: list[Tensor] = []

    def step(self, layer: nn.Module, x: Tensor) -> Tensor:
        before = None if self._before is None else next(self._before)
        x, after = layer(x, before)
        self.after.append(after)
        return x


def _run(layer: nn.Module, x: Tensor, cursor: _StateCursor) -> Tensor:
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
    """The layers in transformers' order, so that names in the checkpoint fit."""
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
    """Raise CheckpointError for EnCodec variants that cannot be decoded causally in pieces."""
    causal = config.use_causal_conv and config.trim_right_ratio == 1.0
    if not causal or config.norm_type != "weight_norm" or config.audio_channels != 1:
        raise CheckpointError(
            "this checkpoint's codec is not the causal mono EnCodec that Bark has "
            "(use_causal_conv, trim_right_ratio 1.0, weight_norm, 1 channel); take suno/bark, "
            "suno/bark-small or one trained like them"
        )
