"""Write the checkpoint in the Hugging Face layout of Bark, with voices and a model card.

Stages that were not trained in this work folder come from the checkpoint that training continued
from.
"""

import argparse
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn
from transformers import BarkConfig, BarkModel, BertTokenizer, GenerationConfig

from training.config import (
    COARSE_SIZE,
    CODEBOOK_SIZE,
    CODEBOOKS,
    FINE_SIZE,
    FRAME_RATE,
    SAMPLE_RATE,
    SEMANTIC_RATE,
    SEMANTIC_SIZE,
    SPEAKERS,
    CoarseLayout,
    CoarseSampling,
    FineLayout,
    SemanticLayout,
    TransformerSize,
    Work,
)
from training.data.corpus import Spoken, load_corpus
from training.data.letters import SPECIALS, save_vocabulary
from training.models.pretrained import adopt
from training.train import coarse, fine, semantic
from training.train.codec import Codec, codec_config, to_encodec

CARD = Path(__file__).parent / "model_card.md"
STRIPPED = (".attn.bias", ".embed_avg", ".cluster_size")  # rebuilt when the model is loaded
ALIGNMENT_HEAD = [*semantic.GUIDES[0][:2], 1]  # attends to the letter of the previous token
VOICE_FRAMES = range(200, 330)  # length of an utterance that serves as a history: 2.7 to 4.4 s


def _sizes(size: TransformerSize, inputs: int, outputs: int) -> dict[str, object]:
    return {
        "num_layers": size.layers,
        "hidden_size": size.width,
        "num_heads": size.heads,
        "block_size": size.block,
        "input_vocab_size": inputs,
        "output_vocab_size": outputs,
        "dropout": 0.0,
        "bias": False,
    }


def bark_config() -> BarkConfig:
    """Return the model configuration: sizes and vocabularies."""
    text, codes, vocab = SemanticLayout(), CoarseLayout(), FineLayout().vocab
    fine_size = _sizes(FINE_SIZE, vocab, vocab)
    fine_size |= {"n_codes_total": CODEBOOKS, "n_codes_given": 1}
    return BarkConfig(
        semantic_config=_sizes(SEMANTIC_SIZE, text.input_vocab, text.output_vocab),
        coarse_acoustics_config=_sizes(COARSE_SIZE, codes.vocab, codes.vocab),
        fine_acoustics_config=fine_size,
        codec_config=codec_config().to_dict(),
    )


def generation_config() -> GenerationConfig:
    """Return windows and sampling, as plain dictionaries that transformers reloads unchanged."""
    text, codes, fine_layout = SemanticLayout(), CoarseLayout(), FineLayout()
    coarse_sampling = CoarseSampling()
    return GenerationConfig(
        semantic_config={
            "do_sample": True,
            "temperature": 0.2,
            "top_k": 20,
            "max_new_tokens": 600,
            "eos_token_id": text.pad,
            "pad_token_id": text.pad,
            "semantic_pad_token": text.pad,
            "semantic_vocab_size": text.vocab_size,
            "semantic_rate_hz": SEMANTIC_RATE,
            "text_encoding_offset": text.text_offset,
            "text_pad_token": text.text_pad,
            "semantic_infer_token": text.infer,
            "max_input_semantic_length": text.text_slot,
        },
        coarse_acoustics_config={
            "do_sample": True,
            "temperature": coarse_sampling.temperature,
            "top_k": coarse_sampling.top_k,
            "coarse_semantic_pad_token": codes.pad,
            "coarse_infer_token": codes.infer,
            "coarse_rate_hz": FRAME_RATE,
            "n_coarse_codebooks": 2,
            "max_coarse_input_length": codes.semantic_window,
            "max_coarse_history": codes.history,
            "sliding_window_len": codes.stride,
        },
        fine_acoustics_config={
            "temperature": 1.0,
            "max_fine_history_length": fine_layout.history,
            "max_fine_input_length": fine_layout.window,
            "n_fine_codebooks": CODEBOOKS,
        },
        sample_rate=SAMPLE_RATE,
        codebook_size=CODEBOOK_SIZE,
        alignment_head=ALIGNMENT_HEAD,  # read by barkserve: for word times
        # read by barkserve: a history gives earlier first audio
        default_voice=f"v2/{SPEAKERS[0].name}",
    )


@dataclass(frozen=True)
class Source:
    """Source of weights: the work folder, then the checkpoint that training continued from."""

    work: Work
    start: Path | None

    def fill(self, model: nn.Module, name: str, part: str) -> nn.Module:
        """Load the weights of stage `name`, called `part` in checkpoints, into `model`."""
        path = self.work.checkpoint(name)
        if path.exists():
            model.load_state_dict(torch.load(path, weights_only=True)["model"])
        elif self.start:
            adopt(model, self.start, part)
        else:
            raise SystemExit(f"{path} is missing: train {name}, or give --from")
        return model


def _adopt(target: nn.Module, source: nn.Module) -> None:
    missing, unknown = target.load_state_dict(source.state_dict(), strict=False)
    allowed = (".attn.bias", "lm_heads")
    wrong = [name for name in missing if not any(part in f".{name}" for part in allowed)]
    if wrong or unknown:
        raise ValueError(f"missing {wrong}, unknown {unknown}")


@torch.no_grad()
def _coarse(source: Source) -> nn.Module:
    """Return the coarse model.

    The reference may choose padding at odd steps; the weights make that unlikely.
    """
    layout = CoarseLayout()
    model = coarse.new_model(layout)
    source.fill(model, "coarse", "coarse_acoustics")
    head = model.lm_head.weight
    head[layout.pad :] = head[layout.pad - 1]  # a code that never occurred in training
    return model


def _codec(source: Source) -> Codec:
    codec, path = Codec(), source.work.checkpoint("codec")
    if path.exists():
        codec.load_state_dict(torch.load(path, weights_only=True)["model"])
    elif source.start:
        codec.load(source.start)
    else:
        raise SystemExit(f"{path} is missing: train codec, or give --from")
    return codec


@torch.no_grad()
def assemble(source: Source) -> BarkModel:
    """Return a BarkModel with all trained weights."""
    model, text = BarkModel(bark_config()), SemanticLayout()
    reader = semantic.new_model(text)
    source.fill(reader, "semantic", "semantic")
    embeds = reader.input_embeds_layer.weight
    specials = slice(text.text_offset, text.text_offset + len(SPECIALS))
    embeds[specials] = embeds[text.text_pad]  # unknown letters are silent
    _adopt(model.semantic, reader)
    _adopt(model.coarse_acoustics, _coarse(source))
    filler = fine.new_model(FineLayout())
    _adopt(model.fine_acoustics, source.fill(filler, "fine", "fine_acoustics"))
    model.fine_acoustics.tie_weights()
    model.codec_model = to_encodec(_codec(source))
    model.generation_config = generation_config()
    return model.eval()


def save_weights(model: BarkModel, folder: Path) -> None:
    """Write float16 safetensors, without tensors that loading rebuilds."""
    tied = {f"fine_acoustics.lm_heads.{i}.weight" for i in range(CODEBOOKS - 1)}
    tensors = {
        name: tensor.half().contiguous() if tensor.is_floating_point() else tensor.contiguous()
        for name, tensor in model.state_dict().items()
        if name not in tied and not name.endswith(STRIPPED)
    }
    path = folder / "model.safetensors"
    save_file(tensors, path, metadata={"format": "pt"})
    path.chmod(0o644)
    model.config.dtype = torch.float16
    model.config.save_pretrained(folder)
    model.generation_config.save_pretrained(folder)


def save_tokenizer(folder: Path) -> None:
    """Write the files of AutoTokenizer and AutoProcessor."""
    vocabulary = folder / "vocab.txt"
    save_vocabulary(vocabulary)
    entries = vocabulary.read_text().split("\n")[:-1]
    tokenizer = BertTokenizer(
        vocab={entry: index for index, entry in enumerate(entries)}, do_lower_case=True
    )
    tokenizer.save_pretrained(folder)


def _history(every: list[Spoken]) -> Spoken:
    """Return an utterance of medium length that ends like a statement."""
    fit = [
        spoken
        for spoken in every
        if len(spoken.codes) in VOICE_FRAMES
        and spoken.text.endswith(".")
        and "," not in spoken.text
    ]
    return fit[0] if fit else max(every, key=lambda spoken: len(spoken.codes))


def save_voices(work: Work, folder: Path) -> None:
    """Write a history prompt of each speaker, in Suno's layout."""
    corpus, index = load_corpus(work), {"repo_or_path": "."}
    presets: dict[str, dict[str, str]] = {}
    (folder / "speaker_embeddings" / "v2").mkdir(parents=True)
    for speaker in SPEAKERS:
        if speaker.name not in corpus.validation:
            continue
        spoken = _history(corpus.validation[speaker.name])
        codes = np.pad(spoken.codes, ((0, 0), (0, CODEBOOKS - spoken.codes.shape[1]))).T
        arrays = {
            "semantic_prompt": spoken.semantic,
            "coarse_prompt": np.ascontiguousarray(codes[:2]),
            "fine_prompt": np.ascontiguousarray(codes),
        }
        card = {"language": "en", "description": speaker.description}
        presets[f"v2/{speaker.name}"] = card
        for name, array in arrays.items():
            path = f"speaker_embeddings/v2/{speaker.name}_{name}.npy"
            np.save(folder / path, array.astype(np.int64), allow_pickle=False)
            presets[f"v2/{speaker.name}"][name] = path
    (folder / "speaker_embeddings_path.json").write_text(json.dumps(index | presets, indent=1))


def copy_voices(start: Path, folder: Path) -> None:
    """Copy the voices of the checkpoint that training continued from."""
    shutil.copytree(start / "speaker_embeddings", folder / "speaker_embeddings")
    shutil.copy(start / "speaker_embeddings_path.json", folder)


def export(source: Source, folder: Path) -> None:
    """Write all files to a temporary folder, then rename it to `folder`."""
    temporary = folder.with_name(folder.name + ".new")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    save_weights(assemble(source), temporary)
    save_tokenizer(temporary)
    if source.start:
        copy_voices(source.start, temporary)
    else:
        save_voices(source.work, temporary)
    if CARD.exists():
        shutil.copy(CARD, temporary / "README.md")
    shutil.rmtree(folder, ignore_errors=True)
    temporary.rename(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Work().root)
    parser.add_argument(
        "--output", type=Path, help="folder to write; default: export/bark-mini in the work folder"
    )
    parser.add_argument(
        "--from",
        dest="start",
        type=Path,
        metavar="CHECKPOINT",
        help="source of stages that were not trained",
    )
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    folder = options.output or options.work / "export" / "bark-mini"
    export(Source(Work(options.work), options.start), folder)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    print(f"{folder}: {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
