"""8-bit integers: what a processor must have for them, and how much they change of what bark-mini
says.
"""

import numpy as np
import pytest
import torch
from torch import Tensor

from barkserve.checkpoint.folder import CheckpointFolder, bundled_checkpoint
from barkserve.checkpoint.tensors import Checkpoint
from barkserve.checkpoint.voices import VoiceLibrary
from barkserve.coarse.generator import coarse_heads
from barkserve.coarse.windows import CoarseGeometry, WindowPlan, cut_history
from barkserve.engine.draws import uniforms
from barkserve.engine.model_runner import ModelRunner
from barkserve.engine.request import Request, SamplingParams
from barkserve.engine.scheduler import Batch
from barkserve.errors import StartupError
from barkserve.models.linear import can_pack
from barkserve.models.loading import Placement, load_coarse, load_fine

CPU = torch.device("cpu")
TOKENS = 120

needs_vnni = pytest.mark.skipif(not can_pack(CPU, torch.int8), reason="no VNNI instructions")


def test_a_device_without_it_is_told_what_to_use() -> None:
    with pytest.raises(StartupError, match=r"--dtype int8 needs .* use float16 or bfloat16 on"):
        Placement.of("meta", "int8", "sdpa")


def test_a_processor_without_it_is_told_what_to_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "_is_vnni_supported", lambda: False)
    with pytest.raises(StartupError, match=r"--dtype int8 needs .*VNNI.* bfloat16 or float32 on"):
        Placement.of("cpu", "int8", "sdpa")


def voice_prompt(folder: CheckpointFolder) -> np.ndarray:
    """What a coarse window behind the default voice reads, (n, 1)."""
    voice = VoiceLibrary(folder).get("v2/rms")
    geometry = CoarseGeometry.of(folder.bark)
    history = cut_history(voice.semantic_prompt, voice.coarse_prompt.T, geometry)
    plan = WindowPlan(geometry, history)
    plan.push(list(map(int, voice.semantic_prompt[:60])))
    plan.end()
    return plan.prompt(np.empty(0, dtype=np.int64))[:, None]


def choices(folder: CheckpointFolder, dtype: str, tokens: list[int] | None) -> list[int]:
    """The coarse tokens that seem best, each behind these tokens, or behind the ones before it."""
    checkpoint = Checkpoint.open(folder.path)
    model = load_coarse(checkpoint, Placement.of("cpu", dtype, "sdpa"))
    heads = coarse_heads(checkpoint.bark)
    runner = ModelRunner(model, heads, 1)
    sequence = Request(
        voice_prompt(folder),
        TOKENS,
        SamplingParams(greedy=True),
        uniforms(0, 1, 0, TOKENS),
        heads=tuple(range(len(heads))),
    )
    sequence.slot = 0
    chosen = []
    for step in range(TOKENS):
        length = sequence.pending_count
        (token,) = runner.run(Batch((sequence,), (0,), length))
        chosen.append(token)
        sequence.record(token if tokens is None else tokens[step], length)
    return chosen


@needs_vnni
def test_coarse_chooses_almost_always_what_float32_chooses() -> None:
    folder = CheckpointFolder.open(bundled_checkpoint())
    exact = choices(folder, "float32", None)
    near = choices(folder, "int8", exact)
    assert len(set(exact)) > 20
    assert np.mean(np.array(near) == np.array(exact)) >= 0.95


@needs_vnni
@torch.inference_mode()
def test_fine_chooses_almost_always_what_float32_chooses() -> None:
    folder = CheckpointFolder.open(bundled_checkpoint())
    voice = VoiceLibrary(folder).get("v2/rms")
    codes = torch.from_numpy(voice.fine_prompt.T[:256].astype(np.int64))[None]

    def best(dtype: str) -> Tensor:
        model = load_fine(Checkpoint.open(folder.path), Placement.of("cpu", dtype, "sdpa"))
        logits: Tensor = model(codes, 2, 0, folder.bark.codebook_size)
        return logits.argmax(dim=-1)

    assert (best("float32") == best("int8")).float().mean() >= 0.95
