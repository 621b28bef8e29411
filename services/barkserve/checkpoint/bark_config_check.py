"""Checks that the numbers of a checkpoint are consistent."""

from collections.abc import Iterable

from barkserve.checkpoint.bark_config import BarkConfig, CausalConfig, SemanticGeneration
from barkserve.errors import CheckpointError


def check_consistent(config: BarkConfig) -> None:
    """Check a configuration, so that no stream fails later with an index error.

    Raises:
        CheckpointError: two sizes contradict each other.
    """
    for holds, message in _requirements(config):
        if not holds:
            raise CheckpointError(f"the checkpoint contradicts itself: {message}")


def _requirements(config: BarkConfig) -> Iterable[tuple[bool, str]]:
    yield from _semantic_requirements(config.semantic, config.semantic_generation)
    yield from _coarse_requirements(config)
    yield from _fine_requirements(config)
    head = config.alignment_head
    yield (
        head is None
        or (
            0 <= head.layer < config.semantic.num_layers
            and 0 <= head.head < config.semantic.num_heads
        ),
        "alignment_head is not a head of the semantic model",
    )
    codec = config.codec
    yield codec.codebook_size >= config.codebook_size, "codec codebook_size is below codebook_size"
    yield codec.codebook_dim == codec.hidden_size, "codec codebook_dim is not its hidden_size"
    yield codec.audio_channels == 1, "codec audio_channels is not 1"
    yield codec.sampling_rate == config.sample_rate, "sample_rate is not the codec's sampling_rate"
    yield (
        codec.num_quantizers >= config.fine_generation.n_fine_codebooks,
        f"n_fine_codebooks is above the codec's {codec.num_quantizers} codebooks",
    )


def _semantic_requirements(
    model: CausalConfig, generation: SemanticGeneration
) -> Iterable[tuple[bool, str]]:
    tokens = (
        generation.text_pad_token,
        generation.semantic_infer_token,
        generation.semantic_pad_token,
    )
    yield (
        max(tokens) < model.input_vocab_size,
        "a semantic token is not below semantic input_vocab_size",
    )
    yield (
        generation.semantic_vocab_size <= generation.semantic_pad_token < model.output_vocab_size,
        "semantic eos_token_id is not between semantic_vocab_size and output_vocab_size",
    )
    # The last drawn token is not fed back.
    yield (
        generation.prompt_length + generation.max_new_tokens - 1 <= model.block_size,
        "semantic prompt and max_new_tokens do not fit into semantic block_size",
    )


def _coarse_requirements(config: BarkConfig) -> Iterable[tuple[bool, str]]:
    model, generation = config.coarse, config.coarse_generation
    codes_end = config.semantic_generation.semantic_vocab_size + 2 * config.codebook_size
    tokens = (generation.coarse_semantic_pad_token, generation.coarse_infer_token)
    longest = generation.max_coarse_input_length + 1 + generation.max_coarse_history
    yield (
        generation.n_coarse_codebooks == 2,
        "n_coarse_codebooks is not 2, which the reference requires",
    )
    yield (
        generation.sliding_window_len % 2 == 0,
        "sliding_window_len is odd: windows would not contain whole frames",
    )
    yield (
        max(tokens) < model.input_vocab_size,
        "a coarse token is not below coarse input_vocab_size",
    )
    yield (
        codes_end <= model.output_vocab_size,
        "the codes do not fit into coarse output_vocab_size",
    )
    yield (
        model.output_vocab_size <= model.input_vocab_size,
        "coarse output_vocab_size is above input_vocab_size",
    )
    yield (
        longest + generation.sliding_window_len - 1 <= model.block_size,
        "a coarse window does not fit into coarse block_size",
    )
    yield (
        generation.max_coarse_history >= config.semantic_to_coarse_ratio,
        "max_coarse_history is too short for the codes of one semantic token",
    )


def _fine_requirements(config: BarkConfig) -> Iterable[tuple[bool, str]]:
    model, generation = config.fine, config.fine_generation
    yield (
        generation.n_fine_codebooks == model.n_codes_total,
        "n_fine_codebooks is not n_codes_total",
    )
    yield (
        model.n_codes_given <= config.coarse_generation.n_coarse_codebooks < model.n_codes_total,
        "n_coarse_codebooks is not between n_codes_given and n_codes_total",
    )
    yield (
        model.input_vocab_size > config.codebook_size,
        "fine input_vocab_size does not include the padding code",
    )
    yield (
        model.output_vocab_size >= config.codebook_size,
        "fine output_vocab_size is below codebook_size",
    )
    yield (
        generation.max_fine_input_length <= model.block_size,
        "max_fine_input_length is above fine block_size",
    )
    yield (
        generation.max_fine_history_length <= generation.max_fine_input_length,
        "max_fine_history_length is above max_fine_input_length",
    )
