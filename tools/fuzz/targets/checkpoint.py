"""The files of a checkpoint: weights, tokenizer, list of voices, vocabulary, configurations.

An input is the name of a file, a line break, and the contents. The other files are the bundled
model's, with small weights.
"""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from safetensors.torch import save

from barkserve.checkpoint.folder import bundled_checkpoint
from barkserve.checkpoint.tensors import SEMANTIC, Checkpoint
from barkserve.checkpoint.voices import VoiceLibrary
from barkserve.errors import CheckpointError, InvalidArgument
from barkserve.orchestrator.text.budget import has_letters_only_tokenizer
from barkserve.semantic.text import TextEncoder

_WEIGHTS = "model.safetensors"
_INDEX = "model.safetensors.index.json"
_JSON = (
    "config.json", "generation_config.json", "tokenizer.json", "speaker_embeddings_path.json",
    "tokenizer_config.json", "vocab.txt", "barkserve-manifest.json",
)  # fmt: skip
_NAMES = (_WEIGHTS, _INDEX, *_JSON)


def fuzz(data: bytes) -> None:
    """Check that a checkpoint with this file can be read, or is broken in a known way."""
    name, _, contents = data.partition(b"\n")
    file = name.decode(errors="ignore")
    if file not in _NAMES:
        return
    with _replaced(file, contents) as folder:
        has_letters_only_tokenizer(folder)
        try:
            checkpoint = Checkpoint.open(folder)
        except CheckpointError as error:
            str(error).encode()
            return
        assert checkpoint.fingerprint
        for read in (_read_tensors, _read_voices, _encode):
            _check(read, checkpoint)


def seeds() -> list[bytes]:
    """The bundled files, and small weights in one file and with an index."""
    bundled = bundled_checkpoint()
    contents = {name: (bundled / name).read_bytes() for name in _JSON if (bundled / name).is_file()}
    contents[_WEIGHTS] = _weights()
    contents[_INDEX] = json.dumps({"weight_map": {f"{SEMANTIC}a": _WEIGHTS}}).encode()
    contents["barkserve-manifest.json"] = b'{"checkpoint": "owner/name"}'
    return [name.encode() + b"\n" + each for name, each in contents.items()]


def _check(read: Callable[[Checkpoint], None], checkpoint: Checkpoint) -> None:
    try:
        read(checkpoint)
    except CheckpointError as error:
        str(error).encode()


def _read_tensors(checkpoint: Checkpoint) -> None:
    for tensor in checkpoint.tensors(SEMANTIC).values():
        tensor.sum()


def _read_voices(checkpoint: Checkpoint) -> None:
    library = VoiceLibrary(checkpoint)
    library.languages()
    for name in library.names():
        library.card(name)
        try:
            library.get(name)
        except CheckpointError as error:
            str(error).encode()


def _encode(checkpoint: Checkpoint) -> None:
    encoder = TextEncoder(checkpoint)
    try:
        encoder.encode("Hello, 5 worlds!")
    except InvalidArgument:
        return
    encoder.last_spoken("Hello, 5 worlds!")


@contextmanager
def _replaced(name: str, contents: bytes) -> Iterator[Path]:
    """Replace a file of the folder by a new one, because old ones may still be mapped."""
    folder = Path(_folder().name)
    file = folder / name
    kept = file.read_bytes() if file.exists() else None
    weights = folder / _WEIGHTS
    if name == _INDEX:  # is read only if there is no single file
        weights = weights.rename(folder / "moved")
    file.unlink(missing_ok=True)
    file.write_bytes(contents)
    try:
        yield folder
    finally:
        file.unlink()
        if kept is not None:
            file.write_bytes(kept)
        if name == _INDEX:
            weights.rename(folder / _WEIGHTS)


@cache
def _folder() -> TemporaryDirectory[str]:
    folder = TemporaryDirectory()
    ignored = shutil.ignore_patterns(_WEIGHTS)
    shutil.copytree(bundled_checkpoint(), folder.name, ignore=ignored, dirs_exist_ok=True)
    (Path(folder.name) / _WEIGHTS).write_bytes(_weights())
    return folder


def _weights() -> bytes:
    """A file with three small tensors, one of them weight-normalized."""
    names = ("a", "b.weight_g", "c.attn.bias")
    return save({f"{SEMANTIC}{name}": torch.ones(2, 3) for name in names})
