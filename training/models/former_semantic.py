"""Start the semantic model from the former bundled model, whose phones were flite's.

It has learned English spelling. Its tokens are thirds of flite's phones without tones (3 * phone +
third), in another layout. Each new token starts with the weights of the most similar former token.
"""

from pathlib import Path

import torch
from safetensors.torch import load_file

from training.config import PHONES, SemanticLayout
from training.data.semantic_tokens import token_table
from training.models.transformer import CausalTransformer

# fmt: off
FORMER_PHONES = (
    "pau", "aa", "ae", "ah", "ao", "aw", "ax", "axr", "ay", "b", "ch", "d", "dh", "dx", "eh",
    "el", "em", "en", "er", "ey", "f", "g", "hh", "hv", "ih", "iy", "jh", "k", "l", "m", "n",
    "ng", "nx", "ow", "oy", "p", "r", "s", "sh", "t", "th", "uh", "uw", "v", "w", "y", "z",
    "zh",
)
SIMILAR = {
    "j": "y", "h": "hh", "ð": "dh", "ŋ": "ng", "ɡ": "g", "ɹ": "r", "ɾ": "dx", "ʃ": "sh",
    "ʒ": "zh", "ʤ": "jh", "ʧ": "ch", "θ": "th", "T": "dx", "ʔ": "t", "A": "ey", "I": "ay",
    "O": "ow", "Q": "ow", "W": "aw", "Y": "oy", "a": "ae", "i": "iy", "u": "uw", "æ": "ae",
    "ɑ": "aa", "ɒ": "aa", "ɐ": "ax", "ɔ": "ao", "ə": "ax", "ɛ": "eh", "ɜ": "er", "ɪ": "ih",
    "ʊ": "uh", "ʌ": "ah", "ᵊ": "ax", "ᵻ": "ih",
}
# fmt: on
FORMER = SemanticLayout(
    vocab_size=160,
    pad=160,
    text_offset=168,
    text_pad=248,
    infer=249,
    input_vocab=250,
    output_vocab=161,
    text_slot=128,
)
SPREAD = 0.02  # standard deviation of the random difference between tones


def similar_tokens() -> torch.Tensor:
    """Return the former token that is most similar to each token, (vocabulary,)."""
    table = token_table()
    former = [FORMER_PHONES.index(SIMILAR.get(name, name)) for name in PHONES]
    return 3 * torch.tensor(former)[table.phone] + torch.from_numpy(table.state)


@torch.no_grad()
def start_from_former(model: CausalTransformer, folder: Path, layout: SemanticLayout) -> None:
    """Set all weights of `model`, which `start` has given its first weights."""
    prefix = "semantic."
    former = {
        name.removeprefix(prefix): tensor.float()
        for name, tensor in load_file(folder / "model.safetensors").items()
        if name.startswith(prefix)
    }
    embeds = former.pop("input_embeds_layer.weight")
    head = former.pop("lm_head.weight")
    places = former.pop("position_embeds_layer.weight")
    tokens, texts = similar_tokens(), layout.text_pad - layout.text_offset
    vocab = layout.vocab_size
    ours = model.input_embeds_layer.weight
    ours[:vocab] = embeds[tokens] + SPREAD * torch.randn(vocab, ours.shape[1])
    ours[layout.pad] = embeds[FORMER.pad]
    ours[layout.text_offset : layout.text_pad] = embeds[FORMER.text_offset :][:texts]
    ours[layout.text_pad], ours[layout.infer] = embeds[FORMER.text_pad], embeds[FORMER.infer]
    model.lm_head.weight[:vocab] = head[tokens] + SPREAD * torch.randn(vocab, head.shape[1])
    model.lm_head.weight[layout.pad] = head[FORMER.pad]
    _place(model.position_embeds_layer.weight, places, layout)
    missing, unknown = model.load_state_dict(former, strict=False)
    wanted = {"input_embeds_layer.weight", "lm_head.weight", "position_embeds_layer.weight"}
    if unknown or set(missing) - wanted:
        raise ValueError(f"{folder} is not the former model: missing {missing}, unknown {unknown}")


def _place(ours: torch.Tensor, former: torch.Tensor, layout: SemanticLayout) -> None:
    """Set positions; those of letters beyond the former slot continue from its last ones."""
    slot, longer = FORMER.text_slot, layout.text_slot - FORMER.text_slot
    change = (former[slot - 32 : slot] - ours[slot - 32 : slot]).mean(0)
    ours[slot : layout.text_slot] += change
    ours[:slot] = former[:slot]
    ours[layout.text_slot :] = former[slot : len(ours) - longer]
