"""A checkpoint of random weights, exported as a trained one would be."""

import numpy as np
import pytest
import torch

from training.config import CoarseLayout, FineLayout, SemanticLayout, Work
from training.data.shards import save_shard
from training.publish.export import Source, export
from training.train import coarse, fine, semantic
from training.train.codec import Codec

TOKENS, FRAMES = 120, 180


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Work:
    """Return a work folder with one utterance, and models of random weights in its `export`."""
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
    return work
