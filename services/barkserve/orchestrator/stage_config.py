"""The first message to each network that draws: the plan's options, and what was already produced.
Sends nothing."""

from collections.abc import Sequence

from barkserve.orchestrator.plan import Plan
from barkserve.v1 import coarse_pb2, fine_pb2, semantic_pb2


def semantic_config(plan: Plan, produced: Sequence[int]) -> semantic_pb2.SemanticConfig:
    """For the semantic stage; `produced` are tokens."""
    options = plan.request.semantic
    config = semantic_pb2.SemanticConfig(
        sampling=plan.sampling(options.sampling),
        seed=plan.seed,
        max_tokens=options.max_tokens,
        produced=produced,
    )
    if options.HasField("min_eos_p"):
        config.min_eos_p = options.min_eos_p
    if plan.voice is not None:
        config.semantic_prompt.extend(plan.voice.semantic_prompt)
    return config


def coarse_config(plan: Plan, produced: Sequence[int]) -> coarse_pb2.CoarseConfig:
    """For the coarse stage; `produced` are codes, frame by frame."""
    config = coarse_pb2.CoarseConfig(
        sampling=plan.sampling(plan.request.coarse.sampling), seed=plan.seed, produced=produced
    )
    if plan.voice is not None:
        config.semantic_prompt.extend(plan.voice.semantic_prompt)
        config.coarse_prompt.extend(plan.voice.coarse_prompt.T.ravel())
    return config


def fine_config(plan: Plan, produced: Sequence[int]) -> fine_pb2.FineConfig:
    """For the fine stage; `produced` are codes, frame by frame."""
    options = plan.request.fine
    config = fine_pb2.FineConfig(
        sampling=plan.sampling(options.sampling),
        seed=plan.seed,
        delivery_mode=plan.request.delivery_mode,
        produced=produced,
    )
    if options.HasField("lookahead_frames"):
        config.lookahead_frames = options.lookahead_frames
    if plan.voice is not None:
        config.fine_prompt.extend(plan.voice.fine_prompt.T.ravel())
    return config
