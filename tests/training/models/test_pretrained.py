"""Loading an exported checkpoint to continue its training."""

import numpy as np
import pytest
import torch

from fixtures.checkpoints import reference
from tests.training.conftest import FRAMES, TOKENS
from training.config import CoarseLayout, Work
from training.models.pretrained import adopt
from training.train import coarse
from training.train.codec import Codec


@torch.no_grad()
def test_adopted_model_equals_the_checkpoint(exported: Work) -> None:
    layout = CoarseLayout()
    first = layout.semantic_vocab
    ids = torch.tensor([[3, 40, 77, layout.infer, first + 40, first + 1140]])
    model = coarse.new_model(layout)
    adopt(model, exported.root / "export", "coarse_acoustics")
    hidden, _ = model(model.input_embeds_layer(ids), torch.arange(ids.shape[1]))
    expected = reference(exported.root / "export").coarse_acoustics(ids).logits
    torch.testing.assert_close(model.lm_head(hidden), expected, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_loaded_codec_equals_the_checkpoint(exported: Work) -> None:
    codec = Codec()
    codec.load(exported.root / "export")
    codes = torch.tensor([[[5, 300], [5, 312], [90, 0], [600, 480]]])
    encodec = reference(exported.root / "export").codec_model
    expected = encodec.decoder(encodec.quantizer.decode(codes.permute(2, 0, 1)))[:, 0]
    torch.testing.assert_close(codec(codes), expected, atol=1e-4, rtol=1e-4)


def test_exported_voice_is_an_utterance_of_the_speaker(exported: Work) -> None:
    voices = exported.root / "export" / "speaker_embeddings" / "v2"
    assert np.load(voices / "heart_semantic_prompt.npy").tolist() == list(range(TOKENS))
    assert np.load(voices / "heart_coarse_prompt.npy").shape == (2, FRAMES)
    assert np.load(voices / "heart_fine_prompt.npy").shape == (8, FRAMES)


def test_adopt_refuses_another_model(exported: Work) -> None:
    with pytest.raises(RuntimeError, match="input_embeds_layer"):
        adopt(coarse.new_model(CoarseLayout()), exported.root / "export", "semantic")
