"""Runs each stage's model over given tokens, in any dtype, and compares it with float32.

All dtypes read the same tokens, so one different token does not change all that follow. Linear
layers are not packed as for serving on a CPU: every tensor has the dtype, as on a GPU.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from barkserve.checkpoint.tensors import Checkpoint
from barkserve.checkpoint.voices import Voice, VoiceLibrary
from barkserve.coarse.generator import coarse_heads
from barkserve.coarse.windows import CoarseGeometry
from barkserve.engine.draws import uniforms
from barkserve.engine.sampler import draw
from barkserve.models.attention.slots import PromptRows
from barkserve.models.causal import CausalModel
from barkserve.models.device import DeviceCapabilities
from barkserve.models.loading import (
    Placement,
    load_coarse,
    load_codec,
    load_fine,
    load_semantic,
)
from barkserve.semantic.generator import semantic_head
from barkserve.semantic.prompt import append_produced, build_prompt
from barkserve.semantic.text import TextEncoder
from benchmarks.precision.agreement import TEMPERATURE, Agreement, signal_to_noise

Ids = NDArray[np.int64]

TEXT = "We walked along the river until it was dark."
_FIRST_CODEBOOK = 2


@dataclass(frozen=True)
class Inputs:
    """The tokens that the models read.

    Attributes:
        semantic: (n, 2) positions of the semantic model; the last `spoken` ones are tokens.
        spoken: number of semantic tokens.
        voice: tokens of the other stages.
    """

    semantic: Ids
    spoken: int
    voice: Voice


class PrecisionCheck:
    """The models of a checkpoint in float32, and their output over some tokens.

    Args:
        checkpoint: the models.
        device: where they run.
        attention: the attention backend of 16-bit models.
        tokens: number of semantic tokens.
        frames: length of the fine stage's window, and most frames of the codec.
        spoken: generate the semantic tokens (of a trained model) instead of taking random ones.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        device: DeviceCapabilities,
        attention: str,
        tokens: int,
        frames: int,
        spoken: bool,
    ) -> None:
        self._checkpoint = checkpoint
        self._device = device
        self._attention = attention
        self._frames = frames
        exact = Placement.on(device, "float32", "sdpa")
        self._exact_placement = Placement(exact.device, torch.float32, exact.attention)
        self._inputs = self._make_inputs(tokens, spoken)
        self._exact = self._outputs(self._exact_placement)

    def compare(self, dtype: torch.dtype) -> dict[str, dict[str, float]]:
        """Compare a dtype with float32. Returns the metrics of each stage by its name."""
        name = str(dtype).removeprefix("torch.")
        chosen = Placement.on(self._device, name, self._attention)
        near = self._outputs(Placement(chosen.device, dtype, chosen.attention))
        rows = {
            stage: Agreement.of(self._exact[stage], near[stage]).row()
            for stage in ("semantic", "coarse", "fine")
        }
        exact, samples = (each["codec"].numpy() for each in (self._exact, near))
        decibels = signal_to_noise(exact, samples)
        rows["codec"] = {
            "largest": float(f"{np.abs(samples - exact).max():.3g}"),
            "signal_to_noise_db": round(decibels, 1),
        }
        return rows

    def _make_inputs(self, tokens: int, spoken: bool) -> Inputs:
        bark = self._checkpoint.bark
        voices = VoiceLibrary(self._checkpoint)
        voice = voices.get(voices.default or voices.names()[0])
        text_ids = TextEncoder(self._checkpoint).encode(TEXT)
        none = np.empty(0, dtype=np.int64)
        prompt = build_prompt(text_ids, none, bark.semantic_generation)
        if not spoken:
            vocabulary = bark.semantic_generation.semantic_vocab_size
            random = np.random.default_rng(5).integers(0, vocabulary, tokens)
            return Inputs(append_produced(prompt, random), tokens, voice)
        model = load_semantic(self._checkpoint, self._exact_placement)
        head = semantic_head(bark)
        draws = torch.from_numpy(uniforms(1, 1, 0, tokens))[:, None]
        for index in range(tokens):
            logits = causal_logits(model, prompt, head)[-1:]
            chosen = draw(
                functional.softmax(logits / TEMPERATURE, dim=-1), draws[index : index + 1]
            )
            prompt = append_produced(prompt, head[chosen.numpy()])
        return Inputs(prompt, tokens, voice)

    @torch.inference_mode()
    def _outputs(self, placement: Placement) -> dict[str, Tensor]:
        """Logits (N, V) of the semantic, coarse and fine model, and samples (n,) of the codec."""
        return {
            "semantic": self._semantic(placement),
            "coarse": self._coarse(placement),
            "fine": self._fine(placement),
            "codec": self._codec(placement),
        }

    def _semantic(self, placement: Placement) -> Tensor:
        model = load_semantic(self._checkpoint, placement)
        logits = causal_logits(model, self._inputs.semantic, semantic_head(self._checkpoint.bark))
        return logits[-self._inputs.spoken - 1 : -1]

    def _coarse(self, placement: Placement) -> Tensor:
        geometry = CoarseGeometry.from_config(self._checkpoint.bark)
        semantic = self._inputs.voice.semantic_prompt[: geometry.max_input]
        coarse = self._inputs.voice.coarse_prompt.T
        books = geometry.codebooks
        offsets = geometry.semantic_vocab_size + geometry.codebook_size * np.arange(books)
        flat = (coarse + offsets).reshape(-1)[: geometry.total(len(semantic))]
        flat = flat[: geometry.max_history]
        padded = np.full(geometry.max_input, geometry.pad_token, dtype=np.int64)
        padded[: len(semantic)] = semantic
        ids = np.concatenate([padded, [geometry.infer_token], flat])
        model = load_coarse(self._checkpoint, placement)
        heads = coarse_heads(self._checkpoint.bark)
        of_books = [causal_logits(model, ids[:, None], head) for head in heads]
        width = min(each.shape[1] for each in of_books)
        start = geometry.max_input
        turns = [each[start + book : -1 : books, :width] for book, each in enumerate(of_books)]
        return torch.cat(turns)

    def _fine(self, placement: Placement) -> Tensor:
        bark = self._checkpoint.bark
        voice, size = self._inputs.voice.fine_prompt.T, bark.codebook_size
        length = min(self._frames, bark.fine_generation.max_fine_input_length)
        frames, books = voice[:length].shape
        model = load_fine(self._checkpoint, placement)
        codes = np.full((1, length, books), size, dtype=np.int64)
        logits = []
        for book in range(books):
            if book >= _FIRST_CODEBOOK:
                ids = torch.from_numpy(codes).to(placement.device)
                logits.append(model(ids, book, 0, size)[0, :frames].cpu())
            codes[0, :frames, book] = voice[:length, book]
        return torch.cat(logits)

    def _codec(self, placement: Placement) -> Tensor:
        model = load_codec(self._checkpoint, placement)
        codes = self._inputs.voice.fine_prompt.T[None, : self._frames].astype(np.int64)
        samples, _ = model(torch.from_numpy(codes).to(placement.device), None)
        on_host: Tensor = samples[0].float().cpu()
        return on_host


@torch.inference_mode()
def causal_logits(model: CausalModel, ids: Ids, head: Ids) -> Tensor:
    """Compute the logits of all positions of (T, C) ids: (T, V) float32 on the host."""
    device = model.lm_head.weight.device
    states: list[Tensor] = []
    hook = model.layers[-1].register_forward_hook(lambda layer, inputs, out: states.append(out))
    zero = torch.zeros(1, dtype=torch.int64, device=device)
    rows = PromptRows(zero, zero, None, len(ids), fresh=True)
    model.prefill(torch.from_numpy(ids[None]).to(device), rows, model.new_cache(1))
    hook.remove()
    normalized = model.layernorm_final(states[0][0])
    return model.logits(normalized, model.head(torch.from_numpy(head))).cpu()
