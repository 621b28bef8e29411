"""The semantic model starts from the former bundled model, which speaks flite's phones."""

import torch
from safetensors.torch import load_file

from barkserve.checkpoint.folder import bundled_checkpoint
from training.config import PHONES, SemanticLayout
from training.data.semantic_tokens import token_table
from training.models.former_semantic import FORMER, FORMER_PHONES, start_from_former
from training.train import semantic


@torch.no_grad()
def test_a_token_starts_as_the_same_state_of_the_similar_phone() -> None:
    layout = SemanticLayout()
    model = semantic.new_model(layout)
    start_from_former(model, bundled_checkpoint(), layout)
    former = load_file(bundled_checkpoint() / "model.safetensors")
    embeds = former["semantic.input_embeds_layer.weight"].float()
    sound = int(token_table().first[PHONES.index("ʃ")])
    ours = model.input_embeds_layer.weight[sound : sound + 3]
    distances = torch.cdist(ours, embeds[: FORMER.vocab_size])
    sh = 3 * FORMER_PHONES.index("sh")
    assert distances.argmin(1).tolist() == [sh, sh + 1, sh + 2]
    letter = model.input_embeds_layer.weight[layout.text_offset + 5]
    assert torch.equal(letter, embeds[FORMER.text_offset + 5])
