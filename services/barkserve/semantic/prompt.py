"""The prompt of the semantic model: text and history, summed at each position.

Source: transformers BarkSemanticModel.generate.
"""

import numpy as np
from numpy.typing import NDArray

from barkserve.checkpoint.bark_config import SemanticGeneration


def build_prompt(
    text_ids: NDArray[np.int64], semantic_history: NDArray[np.int64], generation: SemanticGeneration
) -> NDArray[np.int64]:
    """Build the positions before the first semantic token.

    Args:
        text_ids: (t,) ids of the text, offset already added, t <= max_input_semantic_length.
        semantic_history: (h,) a voice's semantic tokens, empty for none; the last
            max_input_semantic_length count.
        generation: the lengths and special tokens.

    Returns:
        (max_input_semantic_length + 1, 2) int64: text and history id of each position, both padded,
        then the infer token and -1 (no second id).
    """
    length = generation.max_input_semantic_length
    history = semantic_history[-length:]
    prompt = np.full((length + 1, 2), -1, dtype=np.int64)
    prompt[:length, 0] = generation.text_pad_token
    prompt[: len(text_ids), 0] = text_ids
    prompt[:length, 1] = generation.semantic_pad_token
    prompt[: len(history), 1] = history
    prompt[length, 0] = generation.semantic_infer_token
    return prompt


def append_produced(prompt: NDArray[np.int64], produced: NDArray[np.int64]) -> NDArray[np.int64]:
    """Append tokens that exist already to a prompt: (n + p, 2)."""
    rows = np.stack([produced, np.full_like(produced, -1)], axis=1)
    return np.concatenate([prompt, rows])
