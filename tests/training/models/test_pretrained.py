"""Loading an exported checkpoint to continue its training."""

from pathlib import Path

import numpy as np
import pytest
import torch

from fixtures.checkpoints import reference
from training.config import CoarseLayout, FineLayout, SemanticLayout, Work
from training.data.shards import save_shard
from training.models.pretrained import adopt
from training.publish.export import Source, export
from training.train import coarse, fine, semantic
from training.train.codec import Codec

TOKENS, FRAMES = 120, 180


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Export models with random weights."""
    torch.manual_seed(0)
    work = Work(tmp_path_factory.mktemp("work"))
    models = {
        "semantic": semantic.new_model(SemanticLayout()),
        "coarse": coarse.new_model(CoarseLayout()),
        "fine": fine.new_model(FineLayout()),
        "codec": Codec(),
    }
    work.checkpoint("codec").parent.mkdir()
    for name, model in models.items():
        torch.save({"model": model.state_dict()}, work.checkpoint(name))
    save_shard(
        work.shard("codes", 0),
        text=[np.frombuffer(b"the tea is ready.", np.uint8)],
        semantic=[np.arange(TOKENS, dtype=np.uint16)],
        codes=[np.zeros((FRAMES, 2), np.int16)],
    )
    export(Source(work, None), work.root / "export")
    return work.root / "export"


@torch.no_grad()
def test_adopted_model_equals_the_checkpoint(folder: Path) -> None:
    layout = CoarseLayout()
    first = layout.semantic_vocab
    ids = torch.tensor([[3, 40, 77, layout.infer, first + 40, first + 1140]])
    model = coarse.new_model(layout)
    adopt(model, folder, "coarse_acoustics")
    hidden, _ = model(model.input_embeds_layer(ids), torch.arange(ids.shape[1]))
    expected = reference(folder).coarse_acoustics(ids).logits
    torch.testing.assert_close(model.lm_head(hidden), expected, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_loaded_codec_equals_the_checkpoint(folder: Path) -> None:
    codec = Codec()
    codec.load(folder)
    codes = torch.tensor([[[5, 300], [5, 312], [90, 0], [600, 480]]])
    encodec = reference(folder).codec_model
    expected = encodec.decoder(encodec.quantizer.decode(codes.permute(2, 0, 1)))[:, 0]
    torch.testing.assert_close(codec(codes), expected, atol=1e-4, rtol=1e-4)


def test_exported_voice_is_an_utterance_of_the_speaker(folder: Path) -> None:
    voices = folder / "speaker_embeddings" / "v2"
    assert np.load(voices / "heart_semantic_prompt.npy").tolist() == list(range(TOKENS))
    assert np.load(voices / "heart_coarse_prompt.npy").shape == (2, FRAMES)
    assert np.load(voices / "heart_fine_prompt.npy").shape == (8, FRAMES)


def test_adopt_refuses_another_model(folder: Path) -> None:
    with pytest.raises(RuntimeError, match="input_embeds_layer"):
        adopt(coarse.new_model(CoarseLayout()), folder, "semantic")
