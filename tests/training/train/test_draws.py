"""Codes drawn from the coarse model for the teacher's speech."""

import numpy as np
import pytest
import torch

from training.config import CODEBOOK_SIZE, CoarseLayout, CoarseSampling, Work
from training.data.shards import load_shard
from training.data.windows import Stream, Tokens, Utterance, flat_codes, stream
from training.models.transformer import CausalTransformer
from training.train import coarse, draws
from training.train.draws import CoarseDraws, draw_shard, gumbel, parts

LAYOUT = CoarseLayout()


def cut(frames: int) -> Stream:
    random = np.random.default_rng(frames)
    codes, semantic = random.integers(0, 640, (frames, 2)), random.integers(0, 400, frames * 2 // 3)
    return stream(Utterance(semantic, flat_codes(codes, LAYOUT)), None, LAYOUT)


@torch.no_grad()
def drawn_in_turn(model: CausalTransformer, one: Stream, noise: torch.Tensor) -> Tokens:
    """Return the codes of one window, drawn one after the other with full passes."""
    codes, semantic = one.coarse.copy(), one.window(0, LAYOUT).semantic
    for place in range(0, len(codes), 2):
        ids = torch.from_numpy(np.concatenate((semantic, [LAYOUT.infer], codes[:place])))[None]
        hidden, _ = model(model.input_embeds_layer(ids), torch.arange(ids.shape[1]))
        logits = model.lm_head(hidden[0, -1])[LAYOUT.semantic_vocab :][:CODEBOOK_SIZE]
        best = logits.topk(CoarseSampling().top_k)
        shares = best.values / CoarseSampling().temperature + noise[place // 2][best.indices]
        codes[place] = int(best.indices[shares.argmax()]) + LAYOUT.semantic_vocab
    return codes


@pytest.mark.parametrize("frames", [20, 118, 119, 330, 900])
def test_parts_cover_an_utterance_once(frames: int) -> None:
    one = cut(frames)
    every = parts(0, one, LAYOUT)
    drawn = [place for part in every for place in range(part.drawn, part.end)]
    assert drawn == list(range(len(one.coarse)))
    assert all(len(part.semantic) == LAYOUT.semantic_window for part in every)


def test_rounds_converge_to_draws_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    model, one = coarse.new_model(LAYOUT), cut(24)
    monkeypatch.setattr(draws, "ROUNDS", 24)
    made = CoarseDraws(model, LAYOUT, seed=5).utterances([one])[0]
    assert made.tolist() == drawn_in_turn(model, one, gumbel(len(one.coarse) // 2, 5)).tolist()


def test_gumbel_noise_draws_by_probability() -> None:
    logits = torch.tensor([0.7, 0.2, 0.1]).log()
    drawn = (logits + gumbel(20_000, 0)[:, :3]).argmax(1)
    shares = torch.bincount(drawn) / len(drawn)
    torch.testing.assert_close(shares, logits.exp(), atol=0.02, rtol=0)


def test_a_shard_of_draws_keeps_codebook_1(exported: Work) -> None:
    line = draw_shard(exported, 0)
    true = load_shard(exported.shard("codes", 0))["codes"][0]
    drawn = load_shard(exported.shard("draws", 0))["codes"][0]
    assert drawn.shape == true.shape
    assert drawn[:, 1].tolist() == true[:, 1].tolist()
    assert drawn[:, 0].tolist() != true[:, 0].tolist()
    assert line.startswith("0000.npz")
