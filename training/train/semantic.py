"""Train the semantic model: letters to states of phones and tones, with or without a history.

During training a loss guides some heads to the letters of the current and the next two phones. At
inference they are ordinary heads.
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as functional
from numpy.typing import NDArray

from training.config import SEMANTIC_SIZE, SemanticLayout
from training.data.alignment import align
from training.data.corpus import VALIDATION, Spoken, load_corpus
from training.data.letters import LetterTokenizer
from training.data.semantic_tokens import phone_runs, token_table
from training.models.first_weights import Look, Slices, circles, look_before, look_in_time
from training.models.former_semantic import start_from_former
from training.models.pretrained import adopt
from training.models.transformer import CausalTransformer
from training.train.loop import TrainOptions, parse_options, train

BATCH = 6
DEFAULT_SPEAKER = "heart"
NO_HISTORY = 0.3  # share of batches; these have the default voice
FULL_SLOT = {False: 0.15, True: 0.4}  # of the batches without and with a history: not shortened
SHARES = {"heart": 0.5, "michael": 0.25, "emma": 0.25}  # of the batches with a history
GUIDES = ((2, 0, 0), (3, 0, 1), (3, 1, 2))  # layer, head, phones ahead
GUIDE_WEIGHT = 0.1
CHOICE_WEIGHT = 0.5  # of the loss of the next phone, at the start of each phone
LETTER_TOKENS = 2.9  # mean number of semantic tokens per letter
FIRST_LETTER = 3.0  # token of the first letter
PERIODS = (24.0, 3000.0)
ORDER_PERIODS = (2.2, 1200.0)
IGNORED = -100


@dataclass(frozen=True)
class Sentence:
    """An aligned sentence as model input."""

    letters: NDArray[np.int64]  # ids of the tokenizer
    semantic: NDArray[np.int64]
    phone: NDArray[np.int64]  # phone index of every semantic token
    first: NDArray[np.int64]  # first letter of each phone, with two more phones at the end
    last: NDArray[np.int64]  # end of its letters


def sentences(spoken: list[Spoken]) -> list[Sentence]:
    """Tokenize and align the utterances of a speaker."""
    tokenize = LetterTokenizer()
    letters = [[index for index, _ in tokenize(one.text)] for one in spoken]
    runs = [phone_runs(one.semantic) for one in spoken]
    paths = align(letters, [phones for phones, _ in runs])
    return [
        _sentence(text, one.semantic, phone, path)
        for text, one, (_, phone), path in zip(letters, spoken, runs, paths, strict=True)
    ]


def _sentence(
    letters: list[int],
    semantic: NDArray[np.int64],
    phone: NDArray[np.int64],
    path: NDArray[np.int64],
) -> Sentence:
    end = len(letters)
    first = np.concatenate((path, [end - 1, end - 1]))
    last = np.maximum(np.concatenate((path[1:], [end, end, end])), first + 1)
    return Sentence(np.array(letters), semantic, phone, first, np.minimum(last, end))


@dataclass(frozen=True)
class Batch:
    """Padded rows: the slot (text and history), then infer and semantic tokens."""

    text: torch.Tensor  # (batch, slot) ids
    history: torch.Tensor  # (batch, slot) ids
    tokens: torch.Tensor  # (batch, steps): infer, then tokens
    targets: torch.Tensor  # (batch, steps)
    guides: torch.Tensor  # (guides, batch, steps, slot): letters to attend
    spoken: torch.Tensor  # (batch, steps): steps that count


class BatchSource:
    """Draws batches of sentences of similar length."""

    def __init__(self, every: dict[str, list[Sentence]], layout: SemanticLayout, seed: int) -> None:
        self._random = np.random.default_rng(seed)
        self._layout = layout
        self._every = {
            name: sorted(rows, key=lambda row: len(row.semantic) + len(row.letters))
            for name, rows in every.items()
        }

    def batch(self, count: int) -> Batch:
        """Draw a batch, with histories for all rows or for none."""
        draw = self._random
        with_history = draw.random() >= NO_HISTORY
        names = list(self._every) if with_history else [DEFAULT_SPEAKER]
        shares = np.array([SHARES[name] for name in names])
        name = str(draw.choice(names, p=shares / shares.sum()))
        rows = self._every[name]
        begin = draw.integers(max(1, len(rows) - count))
        chosen = rows[begin : begin + count]
        full = draw.random() < FULL_SLOT[with_history]
        slot = self._layout.text_slot if full else max(len(row.letters) for row in chosen)
        history = [rows[draw.integers(len(rows))].semantic for _ in chosen] if with_history else []
        return self._assemble(chosen, history, slot)

    def _assemble(
        self, chosen: list[Sentence], history: list[NDArray[np.int64]], slot: int
    ) -> Batch:
        layout, count = self._layout, len(chosen)
        steps = max(len(row.semantic) for row in chosen) + 1
        text = np.full((count, slot), layout.text_pad)
        past = np.full((count, slot), layout.pad)
        tokens = np.full((count, steps), layout.pad)
        targets = np.full((count, steps), IGNORED)
        guides = np.zeros((len(GUIDES), count, steps, slot), bool)
        for index, row in enumerate(chosen):
            size = len(row.semantic)
            text[index, : len(row.letters)] = row.letters + layout.text_offset
            tokens[index, : size + 1] = np.concatenate(([layout.infer], row.semantic))
            targets[index, : size + 1] = np.concatenate((row.semantic, [layout.pad]))
            phone = np.concatenate(([-1], row.phone))
            for guide, (_, _, ahead) in enumerate(GUIDES):
                at = np.maximum(phone + ahead, 0)
                places = np.arange(slot)
                inside = (places >= row.first[at][:, None]) & (places < row.last[at][:, None])
                guides[guide, index, : size + 1] = inside
        for index, said in enumerate(history):
            past[index, : len(said[-slot:])] = said[-slot:]
        parts = (text, past, tokens, targets, guides, targets != IGNORED)
        return Batch(*map(torch.from_numpy, parts))


@torch.no_grad()
def start(model: CausalTransformer, layout: SemanticLayout) -> None:
    """Set initial weights: letters are placed in time, and some heads attend to them."""
    at, embeds = Slices(), model.input_embeds_layer.weight
    embeds[:, at.clock].zero_()
    embeds[layout.text_offset : layout.text_pad, at.acoustic].normal_()
    embeds[layout.text_offset : layout.text_pad, at.identity].normal_()
    embeds[layout.text_offset : layout.text_pad, at.key_flag] = 1.0
    embeds[: layout.vocab_size, at.clock].normal_(std=0.7)
    embeds[: layout.vocab_size, at.other_flag] = 1.0
    embeds[layout.infer, at.other_flag] = 1.0
    embeds[layout.pad].zero_()
    same = 0.3 * embeds[: layout.vocab_size, at.clock]
    model.lm_head.weight[: layout.vocab_size, at.clock] += same + same.roll(1, 0)
    place = torch.arange(SEMANTIC_SIZE.block).float()
    spoken = place - layout.text_slot
    times = torch.where(spoken < 0, FIRST_LETTER + LETTER_TOKENS * place, spoken)
    positions = model.position_embeds_layer.weight
    positions[:, at.time] = circles(times, at.time.stop - at.time.start, *PERIODS)
    order = at.order.stop - at.order.start
    positions[:, at.order] = circles(place, order, *ORDER_PERIODS)
    look_in_time(model, Look(0, 0, 0.0), *PERIODS, copies=True)
    look_in_time(model, Look(1, 0, 6.0), *PERIODS, copies=False)
    look_before(model, Look(0, 1, -1.0, 2.0), *ORDER_PERIODS, mixed=True)
    look_before(model, Look(1, 1, -2.0, 2.0), *ORDER_PERIODS, mixed=True)


def losses(
    model: CausalTransformer, batch: Batch, layout: SemanticLayout
) -> dict[str, torch.Tensor]:
    """Return the cross entropy of the next token and phone, and the loss of guided heads."""
    device = batch.text.device
    embed, slot = model.input_embeds_layer, batch.text.shape[1]
    embeds = torch.cat((embed(batch.text) + embed(batch.history), embed(batch.tokens)), 1)
    steps = torch.arange(batch.tokens.shape[1], device=device) + layout.text_slot
    positions = torch.cat((torch.arange(slot, device=device), steps))
    hidden, weights = model(embeds, positions, tuple({layer for layer, _, _ in GUIDES}))
    counts = batch.spoken
    logits = model.lm_head(hidden[:, slot:][counts])
    token = functional.cross_entropy(logits, batch.targets[counts])
    guide = torch.zeros((), device=device)
    for wanted, (layer, head, _) in zip(batch.guides, GUIDES, strict=True):
        mass = (weights[layer][:, head, slot:, :slot] * wanted).sum(2)
        guide = guide - torch.log(mass[counts] + 1e-4).mean()
    choice = choice_loss(logits, batch.tokens[counts], batch.targets[counts], layout)
    loss = token + GUIDE_WEIGHT * guide + CHOICE_WEIGHT * choice
    return {"loss": loss, "token": token, "guide": guide, "choice": choice}


def choice_loss(
    logits: torch.Tensor, tokens: torch.Tensor, targets: torch.Tensor, layout: SemanticLayout
) -> torch.Tensor:
    """Return the cross entropy of the next phone at its start, given that one starts.

    Most tokens only continue a phone. This loss adds weight to the choice of phones without
    changing their timing.

    Args:
        logits: (n, vocabulary).
        tokens: previous tokens, (n,).
        targets: target tokens, (n,).
        layout: token layout.
    """
    phones, states = _meanings(logits.shape[1], logits.device)
    known = tokens.clamp(max=logits.shape[1] - 1)
    phone, state = phones[known][:, None], states[known][:, None]
    goes_on = (phones == phone) & (states >= state)
    begins = (tokens < layout.vocab_size) & ~goes_on.gather(1, targets[:, None])[:, 0]
    return functional.cross_entropy(
        logits.masked_fill(goes_on, float("-inf"))[begins], targets[begins]
    )


def _meanings(count: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the phone and state of each output; those after the tokens have none (-1)."""
    table = token_table()
    rest = (0, count - len(table.phone))
    return (
        torch.from_numpy(np.pad(table.phone, rest, constant_values=-1)).to(device),
        torch.from_numpy(np.pad(table.state, rest, constant_values=-1)).to(device),
    )


def new_model(layout: SemanticLayout) -> CausalTransformer:
    return CausalTransformer(SEMANTIC_SIZE, layout.input_vocab, layout.output_vocab)


def _to(batch: Batch, device: str) -> Batch:
    return Batch(*(part.to(device) for part in vars(batch).values()))


def run(options: TrainOptions) -> None:
    """Train on every encoded shard."""
    layout = SemanticLayout()
    corpus, model = load_corpus(options.work), new_model(layout)
    start(model, layout)
    if options.former:
        start_from_former(model, options.former, layout)
    elif options.start:
        adopt(model, options.start, "semantic")
    model.to(options.device)
    every, held = {}, {}
    for name, spoken in corpus.train.items():  # aligned together: few sentences align badly
        rows = sentences(corpus.validation[name] + spoken)
        held[name], every[name] = rows[:VALIDATION], rows[VALIDATION:]
    source = BatchSource(every, layout, options.data_seed())
    held_out = BatchSource(held, layout, 1)
    checks = [_to(held_out.batch(BATCH), options.device) for _ in range(12)]

    @torch.no_grad()
    def validate() -> dict[str, float]:
        results = [losses(model, check, layout) for check in checks]
        names = ("token", "guide", "choice")
        return {n: sum(r[n].item() for r in results) / len(results) for n in names}

    print(f"before training: {validate()}", flush=True)

    def step(_: int) -> dict[str, torch.Tensor]:
        return losses(model, _to(source.batch(BATCH * options.batch_scale), options.device), layout)

    train(options, model, step, validate)


def main() -> None:
    run(parse_options("semantic", 60, 1.5e-3))


if __name__ == "__main__":
    main()
