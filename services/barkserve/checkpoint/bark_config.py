"""The configuration of a Bark checkpoint: shapes of its models and generation parameters.

Needs neither torch nor transformers. bark_config_json.py reads it.
"""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class CausalConfig:
    """Shape of the semantic or the coarse model, a decoder like GPT-2."""

    block_size: int  # positions
    input_vocab_size: int
    output_vocab_size: int
    num_layers: int
    num_heads: int
    hidden_size: int
    bias: bool  # of every linear layer, and of every LayerNorm

    @property
    def head_dim(self) -> int:
        """Width of one attention head."""
        return self.hidden_size // self.num_heads


@dataclass(frozen=True)
class FineModelConfig(CausalConfig):
    """Shape of the fine model, which is not causal; its LayerNorms always have a bias."""

    n_codes_total: int  # codebooks, one input embedding each
    n_codes_given: int  # codebooks without an output head


@dataclass(frozen=True)
class EncodecConfig:
    """Shape of EnCodec's quantizer and decoder. Implements Codec."""

    codebook_size: int
    codebook_dim: int
    hidden_size: int
    num_filters: int
    num_residual_layers: int
    upsampling_ratios: tuple[int, ...]
    kernel_size: int
    last_kernel_size: int
    residual_kernel_size: int
    dilation_growth_rate: int
    compress: int
    num_lstm_layers: int
    use_causal_conv: bool
    use_conv_shortcut: bool
    pad_mode: str
    norm_type: str
    trim_right_ratio: float
    sampling_rate: int  # Hz
    audio_channels: int
    target_bandwidths: tuple[float, ...]  # kbit/s

    @property
    def sample_rate(self) -> int:
        """Samples per second, Hz."""
        return self.sampling_rate

    @property
    def hop_length(self) -> int:
        """Samples per frame."""
        return math.prod(self.upsampling_ratios)

    @property
    def frame_rate(self) -> float:
        """Frames per second."""
        return self.sampling_rate / self.hop_length

    @property
    def warm_up_frames(self) -> int:
        """Number of past frames from which a decoder without state recovers its state.

        By then the LSTM has forgotten what came before.
        """
        return 300

    @property
    def num_quantizers(self) -> int:
        """Number of codebooks in the checkpoint, at least as many as Bark uses."""
        frame_rate = math.ceil(self.sampling_rate / self.hop_length)
        bits = math.ceil(math.log2(self.codebook_size))
        return int(1000 * self.target_bandwidths[-1] // (frame_rate * bits))

    @property
    def first_frames(self) -> int:
        """Minimum length of an utterance's first chunk, unless the utterance is shorter.

        With fewer frames a layer would reflect its start differently than in the whole utterance.
        """
        if self.pad_mode != "reflect":
            return 1
        contexts = [(self.kernel_size - 1, 1)]
        rate = 1
        for ratio in self.upsampling_ratios:
            rate *= ratio
            contexts += [
                ((self.residual_kernel_size - 1) * self.dilation_growth_rate**index, rate)
                for index in range(self.num_residual_layers)
            ]
        contexts.append((self.last_kernel_size - 1, rate))
        return max(context // rate + 1 for context, rate in contexts)


@dataclass(frozen=True)
class SamplingDefaults:
    """How a token is drawn by default."""

    temperature: float = 1.0
    top_k: int = 50  # 0: all
    top_p: float = 1.0  # 1.0: all
    greedy: bool = True


@dataclass(frozen=True)
class AlignmentHead:
    """The attention head of the semantic model that attends to the spoken letter."""

    layer: int  # counted from 0
    head: int  # within the layer, counted from 0
    lag: int  # it attends to what token t speaks while token t + lag is drawn


@dataclass(frozen=True)
class SemanticGeneration:
    """Parameters of the semantic stage: text to semantic tokens."""

    text_encoding_offset: int
    text_pad_token: int
    semantic_pad_token: int  # also the end-of-sequence token
    semantic_infer_token: int
    semantic_vocab_size: int
    max_input_semantic_length: int
    semantic_rate_hz: float
    max_new_tokens: int
    min_eos_p: float | None
    sampling: SamplingDefaults

    @property
    def prompt_length(self) -> int:
        """Number of positions of a prompt: text and history summed, then the infer token."""
        return self.max_input_semantic_length + 1


@dataclass(frozen=True)
class CoarseGeneration:
    """Parameters of the coarse stage: semantic tokens to coarse codes, window by window."""

    coarse_semantic_pad_token: int
    coarse_infer_token: int
    coarse_rate_hz: float
    n_coarse_codebooks: int
    max_coarse_input_length: int
    max_coarse_history: int
    sliding_window_len: int
    sampling: SamplingDefaults


@dataclass(frozen=True)
class FineGeneration:
    """Parameters of the fine stage: the remaining codebooks."""

    max_fine_history_length: int
    max_fine_input_length: int
    n_fine_codebooks: int
    temperature: float | None

    @property
    def greedy(self) -> bool:
        """Whether the most likely code is taken. In the reference a temperature of 1 means that."""
        return self.temperature is None or self.temperature == 1.0


@dataclass(frozen=True)
class BarkConfig:
    """The configuration of one checkpoint: four models and their generation parameters."""

    semantic: CausalConfig
    coarse: CausalConfig
    fine: FineModelConfig
    codec: EncodecConfig
    semantic_generation: SemanticGeneration
    coarse_generation: CoarseGeneration
    fine_generation: FineGeneration
    codebook_size: int
    sample_rate: int  # Hz
    default_voice: str | None
    alignment_head: AlignmentHead | None = None

    @property
    def semantic_to_coarse_ratio(self) -> float:
        """Coarse codes per semantic token (3.006 in Suno's checkpoints)."""
        coarse, semantic = self.coarse_generation, self.semantic_generation
        return coarse.coarse_rate_hz / semantic.semantic_rate_hz * coarse.n_coarse_codebooks

    @property
    def coarse_code_limit(self) -> int:
        """One more than the largest code that the coarse model can draw.

        This exceeds codebook_size: the reference can draw the ids after the last codebook as well.
        """
        books_before = self.codebook_size * (self.coarse_generation.n_coarse_codebooks - 1)
        vocabulary = self.semantic_generation.semantic_vocab_size
        return self.coarse.output_vocab_size - vocabulary - books_before
