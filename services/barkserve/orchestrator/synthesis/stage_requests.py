"""Builds the first message to each stage: options, history, and what was already produced."""

from collections.abc import Sequence

from barkserve.orchestrator.synthesis.utterance import Utterance
from barkserve.v1 import coarse_pb2, fine_pb2, semantic_pb2


def semantic_config(
    utterance: Utterance, history: Sequence[int], produced: Sequence[int]
) -> semantic_pb2.SemanticConfig:
    """Build the semantic stage's config; `history` and `produced` are tokens."""
    options = utterance.plan.request.semantic
    config = semantic_pb2.SemanticConfig(
        semantic_prompt=history,
        sampling=utterance.plan.sampling(options.sampling),
        seed=utterance.seed,
        max_tokens=utterance.max_tokens,
        produced=produced,
        speaking_rate=utterance.speaking_rate,
    )
    if utterance.plan.request.word_times or utterance.max_tail_tokens:
        config.alignment = True
        config.max_tail_tokens = utterance.max_tail_tokens
    if options.HasField("min_eos_p"):
        config.min_eos_p = options.min_eos_p
    return config


def coarse_config(
    utterance: Utterance,
    semantic_history: Sequence[int],
    history: Sequence[int],
    produced: Sequence[int],
) -> coarse_pb2.CoarseConfig:
    """Build the coarse stage's config; `history` and `produced` are codes, frame by frame."""
    known = bool(semantic_history and history)  # the model needs both
    return coarse_pb2.CoarseConfig(
        semantic_prompt=semantic_history if known else [],
        coarse_prompt=history if known else [],
        sampling=utterance.plan.sampling(utterance.plan.request.coarse.sampling),
        seed=utterance.seed,
        produced=produced,
        speaking_rate=utterance.speaking_rate,
    )


def fine_config(
    utterance: Utterance, history: Sequence[int], produced: Sequence[int]
) -> fine_pb2.FineConfig:
    """Build the fine stage's config; `history` and `produced` are codes, frame by frame."""
    options = utterance.plan.request.fine
    config = fine_pb2.FineConfig(
        fine_prompt=history,
        sampling=utterance.plan.sampling(options.sampling),
        seed=utterance.seed,
        delivery_mode=utterance.plan.request.delivery_mode,
        produced=produced,
        speaking_rate=utterance.speaking_rate,
    )
    if options.HasField("lookahead_frames"):
        config.lookahead_frames = options.lookahead_frames
    if options.HasField("chunk_plan"):
        config.chunk_plan.CopyFrom(options.chunk_plan)
    return config
