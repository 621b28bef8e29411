"""Train the coarse model: semantic tokens to codebooks 0 and 1, in the reference's windows.

Most windows have a history, so the model learns voices and chained utterances. Windows without a
history always have the default voice.
"""

import numpy as np
import torch
import torch.nn.functional as functional

from training.config import (
    COARSE_SIZE,
    CODEBOOK_SIZE,
    FRAME_RATE,
    PHONES,
    SEMANTIC_RATE,
    STATES,
    TONES,
    CoarseLayout,
    PitchClock,
)
from training.data.codes import Spectrum, load_codebook
from training.data.corpus import Corpus, Spoken, load_corpus
from training.data.semantic_tokens import token_table
from training.data.windows import Tokens, Utterance, Window, flat_codes, stream
from training.models.first_weights import Look, Slices, circles, look_before, look_in_time
from training.models.pretrained import adopt
from training.models.transformer import CausalTransformer
from training.train.loop import TrainOptions, parse_options, train

BATCH = 3
DEFAULT_SPEAKER = "heart"
NO_HISTORY = 0.3  # share of windows
SHARES = {"heart": 0.5, "michael": 0.25, "emma": 0.25}  # of the windows with a history
SAME_PHONE = 0.25  # initial weight of the phone in the choice of codebook 0
SLIPS = 0.25  # share of the context's codes of codebook 0 replaced by a near code
NEAR = 8  # number of near codes of each code
CLOCK_WEIGHT = 0.5  # of codebook 1 in the loss
IGNORED = -100
PERIODS = (1.5, 400.0)  # of time, in semantic tokens
ORDER_PERIODS = (2.2, 1200.0)  # of the order of codes


def spectrum_vectors(spectrum: Spectrum) -> torch.Tensor:
    """Return codebook 0 as embeddings, (1024, 24), with equal energy and compressed range."""
    width = Slices.acoustic.stop - Slices.acoustic.start
    used = spectrum.vectors.abs().sum(1) > 0
    centered = torch.zeros(len(used), width)
    centered[used] = spectrum.vectors[used, :width] - spectrum.vectors[used, :width].mean(0)
    toned = centered / centered[used].std(0).sqrt()
    return toned / toned[used].square().mean().sqrt()


def clock_rows(clock: PitchClock, shift: bool, count: int) -> torch.Tensor:
    """Return codebook 1 as (1024, count): the phase (of the next frame if `shift`) and step."""
    code = torch.arange(CODEBOOK_SIZE)
    step = (code - 1) // clock.phases
    phase = (code - 1) % clock.phases + (step + clock.first_step if shift else 0)
    harmonics = torch.arange(1, 10)
    angle = 2 * torch.pi * phase[:, None] * harmonics / clock.phases
    rings = torch.stack((angle.cos(), angle.sin()), 2).flatten(1)
    bumps = count - rings.shape[1]
    centers = torch.linspace(0, clock.steps - 1, bumps)
    near = torch.exp(-0.5 * ((step[:, None] - centers) / 2).square())
    rows = torch.cat((rings, 2 * near), 1)
    rows[0] = 0
    rows[clock.codes :] = 0
    return rows


def state_spectra(corpus: Corpus, vectors: torch.Tensor, layout: CoarseLayout) -> torch.Tensor:
    """Return the mean spectrum vector of each semantic token, (vocabulary, 24)."""
    vocab = layout.semantic_vocab
    sums, counts = torch.zeros(vocab, vectors.shape[1]), torch.zeros(vocab)
    for every in corpus.train.values():
        for spoken in every[:400]:
            at = ((torch.arange(len(spoken.codes)) + 1) * SEMANTIC_RATE / FRAME_RATE).long()
            states = torch.from_numpy(spoken.semantic)[at.clamp(max=len(spoken.semantic) - 1)]
            sums.index_add_(0, states, vectors[torch.from_numpy(spoken.codes[:, 0])])
            counts += torch.bincount(states, minlength=vocab)
    return sums / counts.clamp(min=1)[:, None]


def phone_identities(width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return random vectors of phones, (phones, width), and of tokens, (vocabulary, width).

    A token's is its phone's, with a smaller part for its state and tone.
    """
    table = token_table()
    phones = torch.randn(len(PHONES), width)
    states, tones = torch.randn(STATES, width), torch.randn(TONES, width)
    return phones, phones[table.phone] + 0.4 * states[table.state] + 0.4 * tones[table.tone]


@torch.no_grad()
def start(
    model: CausalTransformer, corpus: Corpus, spectrum: Spectrum, layout: CoarseLayout
) -> None:
    """Set the initial weights."""
    at, clock = Slices(), PitchClock()
    spectra = spectrum_vectors(spectrum)
    phones, identities = phone_identities(at.identity.stop - at.identity.start)
    embeds, head = model.input_embeds_layer.weight, model.lm_head.weight
    first = layout.semantic_vocab
    c0, c1 = slice(first, first + CODEBOOK_SIZE), slice(first + CODEBOOK_SIZE, layout.pad)
    width = at.clock.stop - at.clock.start
    embeds[:first, at.acoustic] = state_spectra(corpus, spectra, layout)
    embeds[:first, at.identity] = identities
    embeds[layout.pad :, at.identity].normal_()
    embeds[:first, at.key_flag] = 1.0
    embeds[first:, at.other_flag] = 1.0
    embeds[c0, at.acoustic] = spectra
    embeds[c1, at.clock] = clock_rows(clock, True, width)
    head[c0, at.acoustic] = spectra
    head[c0, at.other_flag] = -0.25 * spectra.square().sum(1)
    head[c1, at.clock] = 0.5 * clock_rows(clock, False, width)
    positions = model.position_embeds_layer.weight
    semantic, codes = layout.semantic_window, torch.arange(COARSE_SIZE.block).float()
    times = (codes - semantic) / 2 + 1  # frame of the next token
    times = torch.where(codes < semantic, codes + 0.5, times * SEMANTIC_RATE / FRAME_RATE)
    positions[:, at.time] = circles(times, at.time.stop - at.time.start, *PERIODS)
    count = at.order.stop - at.order.start
    positions[semantic:, at.order] = circles(codes[semantic:], count, *ORDER_PERIODS)
    mixed = look_in_time(model, Look(0, 0, 0.0), *PERIODS, copies=True)
    head[c0, at.identity] = SAME_PHONE * (phones @ mixed.T)[spectrum.phones]
    look_in_time(model, Look(0, 1, 3.5, 0.7), *PERIODS, copies=False)
    look_before(model, Look(0, 2, -1.0, 2.0), *ORDER_PERIODS)
    look_in_time(model, Look(1, 0, 1.5), *PERIODS, copies=False)
    look_in_time(model, Look(1, 1, -2.0), *PERIODS, copies=False)


def near_codes(spectrum: Spectrum) -> Tokens:
    """Return the nearest codes of the same phone for each code of codebook 0, (1024, NEAR).

    A code of a phone with fewer codes occurs more than once, or stands for itself.
    """
    distances = torch.cdist(spectrum.vectors, spectrum.vectors)
    distances += 1e6 * (spectrum.phones[:, None] != spectrum.phones)
    distances.fill_diagonal_(1e5)
    near = distances.topk(NEAR, largest=False)
    own = torch.arange(CODEBOOK_SIZE)[:, None]
    result: Tokens = torch.where(near.values < 1e4, near.indices, own).numpy()
    return result


class WindowSource:
    """Draws windows as they occur at inference.

    Args:
        every: utterances by speaker.
        layout: token layout.
        seed: seed of all draws.
        near: result of near_codes for replacing some codes, or None. A model that only sees the
            teacher's codes does not learn to recover from its own errors.
    """

    def __init__(
        self,
        every: dict[str, list[Spoken]],
        layout: CoarseLayout,
        seed: int,
        near: Tokens | None = None,
    ) -> None:
        self._random = np.random.default_rng(seed)
        self._layout = layout
        self._every = every
        self._near = near

    def _draw(self, name: str) -> Utterance:
        spoken = self._every[name][self._random.integers(len(self._every[name]))]
        return Utterance(spoken.semantic, flat_codes(spoken.codes, self._layout))

    def window(self) -> Window:
        """Draw one window, with or without a history."""
        if self._random.random() < NO_HISTORY:
            cut = stream(self._draw(DEFAULT_SPEAKER), None, self._layout)
            index = int(self._random.integers(cut.windows(self._layout)))
            # The first windows have the same semantic tokens; the last of them contains all codes.
            index = max(index, min(3, cut.windows(self._layout) - 1))
        else:
            shares = np.array([SHARES[name] for name in self._every])
            name = str(self._random.choice(list(self._every), p=shares / shares.sum()))
            cut = stream(self._draw(name), self._draw(name), self._layout)
            index = int(self._random.integers(cut.windows(self._layout)))
        return cut.window(index, self._layout)

    def _with_slips(self, codes: Tokens) -> Tokens:
        """Return the coarse tokens with a few codes of codebook 0 replaced by near ones."""
        if self._near is None:
            return codes
        first = self._layout.semantic_vocab
        spectral = (codes >= first) & (codes < first + CODEBOOK_SIZE)
        slips = np.flatnonzero(spectral & (self._random.random(len(codes)) < SLIPS))
        which = self._random.integers(NEAR, size=len(slips))
        slipped = codes.copy()
        slipped[slips] = self._near[codes[slips] - first, which] + first
        return slipped

    def batch(self, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return input ids and target ids (IGNORED if none), both (count, length)."""
        windows = [self.window() for _ in range(count)]
        rows, wanted = [], []
        for window in windows:
            codes = np.concatenate((window.context, window.target))
            seen = self._with_slips(codes[:-1])
            rows.append(np.concatenate((window.semantic, [self._layout.infer], seen)))
            ignored = np.full(len(window.semantic), IGNORED)
            wanted.append(np.concatenate((ignored, codes)))
        length = max(map(len, rows))
        ids = np.stack([np.pad(row, (0, length - len(row))) for row in rows])
        targets = np.stack(
            [np.pad(row, (0, length - len(row)), constant_values=IGNORED) for row in wanted]
        )
        return torch.from_numpy(ids), torch.from_numpy(targets)


def losses(
    model: CausalTransformer, ids: torch.Tensor, targets: torch.Tensor, layout: CoarseLayout
) -> dict[str, torch.Tensor]:
    """Return the cross entropy of each codebook, over the codes allowed at each step."""
    positions = torch.arange(ids.shape[1], device=ids.device)
    hidden, _ = model(model.input_embeds_layer(ids), positions)
    result = {}
    for book in range(2):
        first = layout.semantic_vocab + book * CODEBOOK_SIZE
        chosen = (targets >= first) & (targets < first + CODEBOOK_SIZE)
        logits = hidden[chosen] @ model.lm_head.weight[first : first + CODEBOOK_SIZE].T
        result[f"c{book}"] = functional.cross_entropy(logits, targets[chosen] - first)
    return {"loss": result["c0"] + CLOCK_WEIGHT * result["c1"], **result}


def new_model(layout: CoarseLayout) -> CausalTransformer:
    return CausalTransformer(COARSE_SIZE, layout.vocab, layout.vocab)


def run(options: TrainOptions) -> None:
    """Train on every encoded shard."""
    work, layout = options.work, CoarseLayout()
    corpus, model = load_corpus(work), new_model(layout)
    spectrum = load_codebook(work)
    if options.start:
        adopt(model, options.start, "coarse_acoustics")
    else:
        start(model, corpus, spectrum, layout)
    model.to(options.device)
    source = WindowSource(corpus.train, layout, options.data_seed(), near_codes(spectrum))
    held = WindowSource(corpus.validation, layout, 1)
    checks = [held.batch(8) for _ in range(4)]

    def measure(ids: torch.Tensor, targets: torch.Tensor) -> dict[str, torch.Tensor]:
        return losses(model, ids.to(options.device), targets.to(options.device), layout)

    @torch.no_grad()
    def validate() -> dict[str, float]:
        results = [measure(*check) for check in checks]
        return {n: sum(r[n].item() for r in results) / len(results) for n in ("c0", "c1")}

    print(f"before training: {validate()}", flush=True)
    train(options, model, lambda _: measure(*source.batch(BATCH * options.batch_scale)), validate)


def main() -> None:
    run(parse_options("coarse", 50, 1.5e-3))


if __name__ == "__main__":
    main()
