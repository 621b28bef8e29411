"""Loading an exported checkpoint to continue its training."""

import pytest
import torch

from barkserve.checkpoint.folder import bundled_checkpoint
from fixtures.checkpoints import reference
from training.config import CoarseLayout
from training.models.pretrained import adopt
from training.train import coarse
from training.train.codec import Codec


@torch.no_grad()
def test_adopted_model_equals_the_checkpoint() -> None:
    folder, layout = bundled_checkpoint(), CoarseLayout()
    ids = torch.tensor([[3, 40, 77, layout.infer, 200, 1300]])
    model = coarse.new_model(layout)
    adopt(model, folder, "coarse_acoustics")
    hidden, _ = model(model.input_embeds_layer(ids), torch.arange(ids.shape[1]))
    expected = reference(folder).coarse_acoustics(ids).logits
    torch.testing.assert_close(model.lm_head(hidden), expected, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_loaded_codec_equals_the_checkpoint() -> None:
    folder, codec = bundled_checkpoint(), Codec()
    codec.load(folder)
    codes = torch.tensor([[[5, 300], [5, 312], [90, 0], [600, 480]]])
    encodec = reference(folder).codec_model
    expected = encodec.decoder(encodec.quantizer.decode(codes.permute(2, 0, 1)))[:, 0]
    torch.testing.assert_close(codec(codes), expected, atol=1e-4, rtol=1e-4)


def test_adopt_refuses_another_model() -> None:
    with pytest.raises(RuntimeError, match="input_embeds_layer"):
        adopt(coarse.new_model(CoarseLayout()), bundled_checkpoint(), "semantic")
