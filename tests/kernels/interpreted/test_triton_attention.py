"""A model with Triton attention computes what it computes with torch's."""

import torch

from barkserve.checkpoint.tensors import Checkpoint
from barkserve.models.attention.triton import TritonAttention
from barkserve.models.loading import Placement, load_coarse
from fixtures.checkpoints import ODD


def test_triton_decode_equals_eager(checkpoint_of) -> None:
    placement = Placement(torch.device("cpu"), torch.float32, "eager")
    model = load_coarse(Checkpoint.open(checkpoint_of(ODD)), placement)
    cache = model.new_cache(4).normal_(generator=torch.Generator().manual_seed(1))
    tokens, slots = torch.tensor([3, 70, 9]), torch.tensor([2, 0, 3])
    lengths = torch.tensor([0, 98, 41])
    caches = [cache.clone(), cache.clone()]
    with torch.inference_mode():
        expected = model.decode(tokens, slots, lengths, caches[0])
        model.attention = TritonAttention()
        out = model.decode(tokens, slots, lengths, caches[1])
    torch.testing.assert_close(out, expected, rtol=0, atol=1e-5)
    torch.testing.assert_close(caches[1], caches[0], rtol=0, atol=1e-5)
