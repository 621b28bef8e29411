"""Reference output of transformers: the tokens of every stage and the samples."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoProcessor

from fixtures.checkpoints import CheckpointSpec, as_history_prompt, reference


@dataclass(frozen=True)
class Reference:
    """One generation.

    Semantic tokens (s,), coarse codes (t, 2), fine codes (t, books), samples (n,).
    """

    semantic: np.ndarray
    coarse: np.ndarray
    fine: np.ndarray
    samples: np.ndarray


def generate(
    folder: Path,
    spec: CheckpointSpec,
    text: str,
    voice: dict[str, np.ndarray] | None,
    **options: Any,
) -> Reference:
    """Run BarkModel.generate on one text; greedy unless options say otherwise."""
    model = reference(folder)
    outputs: dict[str, torch.Tensor] = {}
    for name in ("semantic", "coarse_acoustics", "fine_acoustics"):
        stage = getattr(model, name)
        stage.generate = _recording(stage.generate, name, outputs)
    inputs = AutoProcessor.from_pretrained(folder)(text, max_length=spec.max_input_semantic_length)
    history = None if voice is None else as_history_prompt(voice)
    settings: dict[str, Any] = {"do_sample": False, "fine_temperature": None} | options
    samples = model.generate(**inputs, history_prompt=history, **settings)
    semantic = outputs["semantic"][0].numpy()
    coarse = outputs["coarse_acoustics"][0].numpy().reshape(-1, 2)
    return Reference(
        semantic=semantic[semantic < spec.semantic_vocab_size],
        coarse=coarse - spec.semantic_vocab_size - np.array([0, spec.codebook_size]),
        fine=outputs["fine_acoustics"][0].numpy().T,
        samples=samples.numpy().reshape(-1),
    )


def _recording(
    method: Callable[..., torch.Tensor], name: str, outputs: dict[str, torch.Tensor]
) -> Callable[..., torch.Tensor]:
    def recorded(*args: Any, **kwargs: Any) -> torch.Tensor:
        output = method(*args, **kwargs)
        outputs[name] = output.clone()
        return output

    return recorded
