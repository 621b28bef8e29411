"""Voices: tokens of earlier speech that a generation continues; from arrays, .npz bytes or by name.

Trusts nothing it reads: no pickles, no size it has not checked, no path out of the checkpoint.
Knows no torch and no gRPC.
"""

import difflib
import io
import math
import os
import zipfile
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy_format

from barkserve.checkpoint.bark_config import BarkConfig
from barkserve.checkpoint.folder import CheckpointFolder, fetch_file, read_json_object
from barkserve.checkpoint.voice_card import VoiceCard, preset_card
from barkserve.errors import CheckpointError, InvalidArgument, NotFound

PROMPTS = ("semantic_prompt", "coarse_prompt", "fine_prompt")
MAX_NPZ_BYTES = 1 << 20
MAX_ARRAY_BYTES = 8 << 20  # uncompressed; int64 codes of more than half an hour

_PATHS_FILE = "speaker_embeddings_path.json"
_PATHS_OWN_KEY = "repo_or_path"  # the only key of that file that is no voice
_HOW_TO_LIST = "ListVoices (`barkclient voices`) lists all"


@dataclass(frozen=True, eq=False)
class Voice:
    """A history prompt that fits the checkpoint; its arrays are read-only int32.

    Args:
        name: what it is called in reports and logs.
        semantic_prompt: (n,) semantic tokens, oldest first.
        coarse_prompt: (n_coarse_codebooks, m) codes.
        fine_prompt: (n_fine_codebooks, m) codes.
        language: what it spoke, a BCP 47 code; "" if that is not known.
    """

    name: str
    semantic_prompt: np.ndarray[Any, np.dtype[np.int32]]
    coarse_prompt: np.ndarray[Any, np.dtype[np.int32]]
    fine_prompt: np.ndarray[Any, np.dtype[np.int32]]
    language: str = ""


def parse_voice(
    arrays: Mapping[str, np.ndarray[Any, Any]],
    config: BarkConfig,
    name: str,
    field: str = "voice.history_prompt",
) -> Voice:
    """Checks three arrays and makes a voice of them.

    Args:
        arrays: semantic_prompt, coarse_prompt and fine_prompt, of any integer type.
        config: the checkpoint that shall speak with this voice.
        name: the voice's name.
        field: what InvalidArgument names when something is wrong.
    """
    try:
        return _checked_voice(arrays, config, name)
    except _BadVoice as error:
        raise InvalidArgument(field, str(error)) from None


def voice_from_npz(
    data: bytes, config: BarkConfig, name: str = "inline", field: str = "voice.npz"
) -> Voice:
    """Reads a voice from the bytes of an .npz file, which is how Suno publishes them."""
    try:
        return _checked_voice(_read_npz(data), config, name)
    except _BadVoice as error:
        raise InvalidArgument(field, str(error)) from None


class VoiceLibrary:
    """The voices that a checkpoint names, each read when it is first asked for.

    Attributes:
        default: the voice that speaks when a request names none, None for no history at all.
    """

    def __init__(self, folder: CheckpointFolder) -> None:
        self._folder = folder
        self._paths = _read_paths(folder.path / _PATHS_FILE)
        self._voices: dict[str, Voice] = {}
        self.default = folder.bark.default_voice
        if self.default is not None and self.default not in self._paths:
            raise CheckpointError(
                f"checkpoint {folder.path}: generation_config.json names the default_voice"
                f" {self.default!r}, which {_PATHS_FILE} does not hold"
            )

    def names(self) -> tuple[str, ...]:
        """All names, sorted."""
        return tuple(sorted(self._paths))

    def languages(self) -> tuple[str, ...]:
        """The languages that the voices speak, as far as that is known; BCP 47 codes, sorted."""
        return tuple(sorted({self.card(name).language for name in self._paths} - {""}))

    def card(self, name: str) -> VoiceCard:
        """What is known of a voice without reading it: what the checkpoint says, else its name."""
        known, entry = preset_card(name), self._paths[name]
        given = entry if isinstance(entry, dict) else {}
        language, text = given.get("language"), given.get("description")
        return VoiceCard(
            name,
            language if isinstance(language, str) else known.language,
            text if isinstance(text, str) else known.description,
        )

    def get(self, name: str) -> Voice:
        """Returns the voice of that name; the first time, reads its files or fetches them."""
        if name not in self._voices:
            self._voices[name] = self._load(name)
        return self._voices[name]

    def not_found(self, name: str, others: Collection[str] = ()) -> NotFound:
        """The error for a name that is neither the checkpoint's nor one of the others."""
        shown, known = name[:80], {*self._paths, *others}
        if not known:
            return NotFound(
                f"voice {shown!r} does not exist: checkpoint {self._folder.name} has no voices"
            )
        near = sorted(difflib.get_close_matches(shown, sorted(known), n=3, cutoff=0.5))
        hint = f", near ones are {', '.join(near)}" if near else ""
        return NotFound(f"voice {shown!r} does not exist{hint}; {_HOW_TO_LIST} {len(known)}")

    def files(self) -> Iterator[tuple[str, Path]]:
        """Every file of every voice: its path in the checkpoint, and where it lies, fetched if need
        be. Raises CheckpointError for a voice that has no such file.
        """
        for name, paths in sorted(self._paths.items()):
            try:
                for prompt in PROMPTS:
                    yield _path_of(prompt, paths), self._locate(_path_of(prompt, paths))
            except _BadVoice as error:
                raise self._broken(name, error) from None

    def _load(self, name: str) -> Voice:
        if name not in self._paths:
            raise self.not_found(name)
        paths = self._paths[name]
        try:
            arrays = {prompt: self._read(prompt, paths) for prompt in PROMPTS}
            voice = _checked_voice(arrays, self._folder.bark, name)
            return replace(voice, language=self.card(name).language)
        except _BadVoice as error:
            raise self._broken(name, error) from None

    def _broken(self, name: str, error: "_BadVoice") -> CheckpointError:
        return CheckpointError(
            f"voice {name!r} of checkpoint {self._folder.name} is broken: {error}"
        )

    def _read(self, prompt: str, paths: Any) -> np.ndarray[Any, Any]:
        path = _path_of(prompt, paths)
        file = self._locate(path)
        try:
            if file.stat().st_size > MAX_ARRAY_BYTES:
                raise _BadVoice(f"{path} is larger than {MAX_ARRAY_BYTES >> 20} MiB")
            return _read_npy(file.read_bytes(), prompt)
        except OSError as error:
            raise _BadVoice(f"{path} cannot be read ({error.strerror})") from None

    def _locate(self, path: str) -> Path:
        """The file of that path. No link is resolved: the hub's cache is made of links."""
        folder = os.path.abspath(self._folder.path)
        file = os.path.abspath(os.path.join(folder, path))
        if "\0" in path or not file.startswith(folder + os.sep):
            raise _BadVoice(f"the path {path!r} leads out of the checkpoint's folder")
        if self._folder.revision is None or os.path.exists(file):
            return Path(file)
        return fetch_file(self._folder.name, os.path.relpath(file, folder), self._folder.revision)


class _BadVoice(Exception):
    """What is wrong with a voice; becomes InvalidArgument or CheckpointError."""


def _path_of(prompt: str, paths: Any) -> str:
    path = paths.get(prompt) if isinstance(paths, dict) else None
    if not isinstance(path, str):
        raise _BadVoice(f"{_PATHS_FILE} gives no path of its {prompt}")
    return path


def _read_paths(file: Path) -> dict[str, Any]:
    """Voice name to its entry; a checkpoint need not have voices."""
    if not file.exists():
        return {}
    paths = read_json_object(file)
    paths.pop(_PATHS_OWN_KEY, None)
    return paths


def _checked_voice(
    arrays: Mapping[str, np.ndarray[Any, Any]], config: BarkConfig, name: str
) -> Voice:
    for prompt in PROMPTS:
        if prompt not in arrays:
            raise _BadVoice(f"{prompt} is missing; a voice has {', '.join(PROMPTS)}")
    vocab = config.semantic_generation.semantic_vocab_size
    semantic = _checked(arrays, "semantic_prompt", None, vocab)
    coarse = _checked(
        arrays, "coarse_prompt", config.coarse_generation.n_coarse_codebooks, config.codebook_size
    )
    fine = _checked(
        arrays, "fine_prompt", config.fine_generation.n_fine_codebooks, config.codebook_size
    )
    _check_lengths(semantic.shape[-1], coarse.shape[-1], fine.shape[-1], config)
    return Voice(name, semantic, coarse, fine)


def _checked(
    arrays: Mapping[str, np.ndarray[Any, Any]], prompt: str, codebooks: int | None, limit: int
) -> np.ndarray[Any, np.dtype[np.int32]]:
    """A read-only int32 copy of one array.

    Args:
        arrays: where it is.
        prompt: its key.
        codebooks: rows that a two-dimensional one must have, None for a one-dimensional one.
        limit: its values must be below.
    """
    array = arrays[prompt]
    if array.dtype.kind not in "iu":
        raise _BadVoice(f"{prompt} has the type {array.dtype}, it must be integers")
    if array.ndim != (1 if codebooks is None else 2) or codebooks not in (None, array.shape[0]):
        wanted = "(n,)" if codebooks is None else f"({codebooks}, m)"
        raise _BadVoice(f"{prompt} has the shape {array.shape}, it must be {wanted}")
    if array.size and (int(array.min()) < 0 or int(array.max()) >= limit):
        raise _BadVoice(
            f"{prompt} holds values from {array.min()} to {array.max()},"
            f" they must be from 0 to {limit - 1}"
        )
    checked = array.astype(np.int32, order="C")
    checked.setflags(write=False)
    return checked


def _check_lengths(semantic: int, coarse: int, fine: int, config: BarkConfig) -> None:
    """At least what the coarse model's history is cut from: one semantic token and its codes."""
    codebooks = config.coarse_generation.n_coarse_codebooks
    fewest_frames = max(2, math.ceil(config.semantic_to_coarse_ratio / codebooks))
    if semantic < 2:
        raise _BadVoice(f"semantic_prompt has {semantic} tokens, it must have at least 2")
    if coarse < fewest_frames:
        raise _BadVoice(f"coarse_prompt has {coarse} frames, it must have at least {fewest_frames}")
    if fine != coarse:
        raise _BadVoice(
            f"fine_prompt has {fine} frames and coarse_prompt {coarse}, they must be equal"
        )


def _read_npz(data: bytes) -> dict[str, np.ndarray[Any, Any]]:
    """The three arrays of an .npz file."""
    if len(data) > MAX_NPZ_BYTES:
        raise _BadVoice(f"it has {len(data)} bytes, at most {MAX_NPZ_BYTES} are allowed")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return {prompt: _read_member(archive, prompt) for prompt in PROMPTS}
    except _BadVoice:
        raise
    except Exception:  # zipfile and zlib raise a dozen types for broken archives
        raise _BadVoice("it is no valid .npz file; numpy.savez makes one") from None


def _read_member(archive: zipfile.ZipFile, prompt: str) -> np.ndarray[Any, Any]:
    try:
        member = archive.getinfo(f"{prompt}.npy")
    except KeyError:
        raise _BadVoice(f"{prompt} is missing; a voice has {', '.join(PROMPTS)}") from None
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise _BadVoice(f"{prompt} is packed in a way that numpy.savez_compressed does not use")
    if member.file_size > MAX_ARRAY_BYTES:
        raise _BadVoice(f"{prompt} unpacks to more than {MAX_ARRAY_BYTES >> 20} MiB")
    with archive.open(member) as file:
        # With a size no more is unpacked; without one, all there is, whatever was declared.
        return _read_npy(file.read(member.file_size), prompt)


def _read_npy(data: bytes, prompt: str) -> np.ndarray[Any, Any]:
    """Reads a .npy file's bytes; numpy.load would make room for any size that the header claims."""
    stream = io.BytesIO(data)
    try:
        version = npy_format.read_magic(stream)
        read_header = {
            (1, 0): npy_format.read_array_header_1_0,
            (2, 0): npy_format.read_array_header_2_0,
        }
        shape, fortran_order, dtype = read_header[version](stream)
    except Exception:  # the header is evaluated as a Python literal: anything may come out
        raise _BadVoice(f"{prompt} is no valid .npy array") from None
    if dtype.kind not in "iu":
        raise _BadVoice(f"{prompt} has the type {dtype}, it must be integers")
    body = memoryview(data)[stream.tell() :]
    if min(shape, default=1) < 1 or math.prod(shape) * dtype.itemsize != len(body):
        raise _BadVoice(
            f"{prompt} is no valid .npy array: {len(body)} bytes do not make the shape {shape}"
        )
    return np.frombuffer(body, dtype).reshape(shape, order="F" if fortran_order else "C")
