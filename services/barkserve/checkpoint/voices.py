"""Voices: history prompts from arrays, from .npz bytes, or by name from a checkpoint.

All input is checked: no pickles, no unchecked sizes, no paths outside the checkpoint. This module
needs neither torch nor gRPC.
"""

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
from barkserve.checkpoint.similar_names import similar_names
from barkserve.checkpoint.voice_card import VoiceCard, preset_card
from barkserve.constants import MAX_NPZ_BYTES
from barkserve.errors import CheckpointError, InvalidArgument, NotFound
from barkserve.regular_file import read_regular_file

PROMPTS = ("semantic_prompt", "coarse_prompt", "fine_prompt")
MAX_ARRAY_BYTES = 8 << 20  # uncompressed
MAX_ARRAY_TOKENS = 1 << 17
"""The largest number of tokens or codes in one array: 218 s of fine codes. The models read only the
last seconds of a voice."""

_MAX_MEMBERS = 64  # of an .npz file, which needs three; 1 MiB has room for 20,000
_MEMBER_MARK = b"PK\x01\x02"  # begins the entry of each member in the directory of a ZIP file
_PATHS_FILE = "speaker_embeddings_path.json"
_PATHS_OWN_KEY = "repo_or_path"  # the only key of that file that is not a voice


@dataclass(frozen=True, eq=False)
class Voice:
    """A history prompt that fits the checkpoint; its arrays are read-only int32.

    Attributes:
        name: the name in responses and logs.
        semantic_prompt: (n,) semantic tokens, oldest first.
        coarse_prompt: (n_coarse_codebooks, m) codes.
        fine_prompt: (n_fine_codebooks, m) codes.
        language: the language that it speaks, a BCP 47 code; empty if unknown.
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
    """Make a voice from three arrays.

    Args:
        arrays: semantic_prompt, coarse_prompt and fine_prompt, of any integer type.
        config: the configuration of the checkpoint that will use the voice.
        name: the name of the voice.
        field: the request field that errors name.

    Raises:
        InvalidArgument: the arrays are not a voice of this checkpoint.
    """
    try:
        return _checked_voice(arrays, config, name)
    except _InvalidVoice as error:
        raise InvalidArgument(field, str(error)) from None


def voice_from_npz(
    data: bytes, config: BarkConfig, name: str = "inline", field: str = "voice.npz"
) -> Voice:
    """Make a voice from the bytes of an .npz file, the format in which Suno publishes voices.

    Args:
        data: the file.
        config: the configuration of the checkpoint that will use the voice.
        name: the name of the voice.
        field: the request field that errors name.

    Raises:
        InvalidArgument: the file is not a voice of this checkpoint.
    """
    try:
        return _checked_voice(_read_npz(data), config, name)
    except _InvalidVoice as error:
        raise InvalidArgument(field, str(error)) from None


class VoiceLibrary:
    """The voices that a checkpoint contains. Each is read on first use.

    Args:
        folder: the checkpoint.

    Attributes:
        default: the name of the checkpoint's default voice; None for no voice.

    Raises:
        CheckpointError: the list of voices is broken, or does not have the default voice.
    """

    def __init__(self, folder: CheckpointFolder) -> None:
        self._folder = folder
        self._paths = _read_paths(folder.path / _PATHS_FILE)
        self._names = tuple(sorted(self._paths))
        self._voices: dict[str, Voice] = {}
        self.default = folder.bark.default_voice
        if self.default is not None and self.default not in self._paths:
            raise CheckpointError(
                f"checkpoint {folder.path}: generation_config.json sets default_voice to"
                f" {self.default!r}, but {_PATHS_FILE} has no such voice"
            )

    def names(self) -> tuple[str, ...]:
        """Return all names, sorted."""
        return self._names

    def languages(self) -> tuple[str, ...]:
        """Return the known languages of the voices: BCP 47 codes, sorted."""
        return tuple(sorted({self.card(name).language for name in self._paths} - {""}))

    def card(self, name: str) -> VoiceCard:
        """Describe a voice without reading it, from the checkpoint's list or from its name."""
        preset, entry = preset_card(name), self._paths[name]
        listed = entry if isinstance(entry, dict) else {}
        language, text = listed.get("language"), listed.get("description")
        return VoiceCard(
            name,
            language if isinstance(language, str) else preset.language,
            text if isinstance(text, str) else preset.description,
        )

    def get(self, name: str) -> Voice:
        """Return a voice; read or download its files on first use.

        Raises:
            NotFound: the checkpoint has no voice of that name.
            CheckpointError: the files are broken.
        """
        if name not in self._voices:
            self._voices[name] = self._load(name)
        return self._voices[name]

    def not_found(self, name: str, others: Collection[str] = ()) -> NotFound:
        """Return the error for a name that is neither in the checkpoint nor one of `others`.

        The work is bounded: clients choose the name.
        """
        shown, names = name[:80], {*self._paths, *others}
        if not names:
            return NotFound(
                f"voice {shown!r} does not exist: checkpoint {self._folder.name} has no voices"
            )
        similar = similar_names(name, names)
        hint = f"; similar names: {', '.join(similar)}" if similar else ""
        return NotFound(
            f"voice {shown!r} does not exist{hint}; ListVoices (`barkclient voices`) lists all"
            f" {len(names)}"
        )

    def files(self) -> Iterator[tuple[str, Path]]:
        """Yield all files: the path in the checkpoint and the local path, downloaded if needed.

        Raises:
            CheckpointError: a voice does not have all files.
        """
        for name, paths in sorted(self._paths.items()):
            try:
                for prompt in PROMPTS:
                    yield _path_of(prompt, paths), self._locate(_path_of(prompt, paths))
            except _InvalidVoice as error:
                raise self._broken(name, error) from None

    def _load(self, name: str) -> Voice:
        if name not in self._paths:
            raise self.not_found(name)
        paths = self._paths[name]
        try:
            arrays = {prompt: self._read(prompt, paths) for prompt in PROMPTS}
            voice = _checked_voice(arrays, self._folder.bark, name)
            return replace(voice, language=self.card(name).language)
        except _InvalidVoice as error:
            raise self._broken(name, error) from None

    def _broken(self, name: str, error: "_InvalidVoice") -> CheckpointError:
        return CheckpointError(
            f"voice {name!r} of checkpoint {self._folder.name} is broken: {error}"
        )

    def _read(self, prompt: str, paths: Any) -> np.ndarray[Any, Any]:
        path = _path_of(prompt, paths)
        file = self._locate(path)
        try:
            data = read_regular_file(file, MAX_ARRAY_BYTES + 1)
        except OSError as error:
            raise _InvalidVoice(f"{path} cannot be read ({error.strerror})") from None
        if len(data) > MAX_ARRAY_BYTES:
            raise _InvalidVoice(f"{path} is larger than {MAX_ARRAY_BYTES >> 20} MiB")
        return _read_npy(data, prompt)

    def _locate(self, path: str) -> Path:
        """The local file of a path. Links are not resolved: the hub's cache consists of links."""
        folder = os.path.abspath(self._folder.path)
        file = os.path.abspath(os.path.join(folder, path))
        if "\0" in path or not file.startswith(folder + os.sep):
            raise _InvalidVoice(f"the path {path!r} is outside the checkpoint's folder")
        if self._folder.revision is None or os.path.exists(file):
            return Path(file)
        return fetch_file(self._folder.name, os.path.relpath(file, folder), self._folder.revision)


class _InvalidVoice(Exception):
    """The reason why a voice is not valid. Becomes InvalidArgument or CheckpointError."""


def _path_of(prompt: str, paths: Any) -> str:
    path = paths.get(prompt) if isinstance(paths, dict) else None
    if not isinstance(path, str):
        raise _InvalidVoice(f"{_PATHS_FILE} has no path for its {prompt}")
    return path


def _read_paths(file: Path) -> dict[str, Any]:
    """Voice name to entry; empty if the checkpoint has no voices."""
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
            raise _InvalidVoice(f"{prompt} is missing; a voice has {', '.join(PROMPTS)}")
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
    """Return a read-only int32 copy of one array.

    Args:
        arrays: all arrays.
        prompt: the key of the array.
        codebooks: the number of rows of a two-dimensional array; None for a one-dimensional one.
        limit: the values must be below this.
    """
    array = arrays[prompt]
    if array.dtype.kind not in "iu":
        raise _InvalidVoice(f"{prompt} has type {array.dtype}; it must have an integer type")
    if array.ndim != (1 if codebooks is None else 2) or codebooks not in (None, array.shape[0]):
        wanted = "(n,)" if codebooks is None else f"({codebooks}, m)"
        raise _InvalidVoice(f"{prompt} has shape {array.shape}; it must have shape {wanted}")
    if array.size and (int(array.min()) < 0 or int(array.max()) >= limit):
        raise _InvalidVoice(
            f"{prompt} has values from {array.min()} to {array.max()};"
            f" they must be from 0 to {limit - 1}"
        )
    if array.size > MAX_ARRAY_TOKENS:
        raise _InvalidVoice(f"{prompt} has {array.size} tokens; the limit is {MAX_ARRAY_TOKENS}")
    checked = array.astype(np.int32, order="C")
    checked.setflags(write=False)
    return checked


def _check_lengths(semantic: int, coarse: int, fine: int, config: BarkConfig) -> None:
    """The minimum is what the coarse model's history needs: one semantic token and its codes."""
    codebooks = config.coarse_generation.n_coarse_codebooks
    min_frames = max(2, math.ceil(config.semantic_to_coarse_ratio / codebooks))
    if semantic < 2:
        raise _InvalidVoice(f"semantic_prompt has {semantic} tokens; it must have at least 2")
    if coarse < min_frames:
        raise _InvalidVoice(
            f"coarse_prompt has {coarse} frames; it must have at least {min_frames}"
        )
    if fine != coarse:
        raise _InvalidVoice(
            f"fine_prompt has {fine} frames and coarse_prompt {coarse}; they must be equal"
        )


def _read_npz(data: bytes) -> dict[str, np.ndarray[Any, Any]]:
    """Return the three arrays of an .npz file."""
    if len(data) > MAX_NPZ_BYTES:
        raise _InvalidVoice(f"the file has {len(data)} bytes; the limit is {MAX_NPZ_BYTES}")
    if data.count(_MEMBER_MARK) > _MAX_MEMBERS:
        raise _InvalidVoice(f"the file has more than {_MAX_MEMBERS} members; a voice has three")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return {prompt: _read_member(archive, prompt) for prompt in PROMPTS}
    except _InvalidVoice:
        raise
    except Exception:  # zipfile and zlib raise many types for broken archives
        raise _InvalidVoice("not a valid .npz file; create one with numpy.savez") from None


def _read_member(archive: zipfile.ZipFile, prompt: str) -> np.ndarray[Any, Any]:
    try:
        member = archive.getinfo(f"{prompt}.npy")
    except KeyError:
        raise _InvalidVoice(f"{prompt} is missing; a voice has {', '.join(PROMPTS)}") from None
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise _InvalidVoice(f"{prompt} has an unsupported compression; use numpy.savez_compressed")
    if member.file_size > MAX_ARRAY_BYTES:
        raise _InvalidVoice(f"{prompt} unpacks to more than {MAX_ARRAY_BYTES >> 20} MiB")
    with archive.open(member) as file:
        # Pass the size: without it, all data is unpacked, whatever size was declared.
        return _read_npy(file.read(member.file_size), prompt)


def _read_npy(data: bytes, prompt: str) -> np.ndarray[Any, Any]:
    """Read the bytes of a .npy file; numpy.load would allocate any size that the header claims."""
    stream = io.BytesIO(data)
    try:
        version = npy_format.read_magic(stream)
        read_header = {
            (1, 0): npy_format.read_array_header_1_0,
            (2, 0): npy_format.read_array_header_2_0,
        }
        shape, fortran_order, dtype = read_header[version](stream)
    except Exception:  # the header is evaluated as a Python literal, which may raise any type
        raise _InvalidVoice(f"{prompt} is not a valid .npy array") from None
    if dtype.kind not in "iu":
        raise _InvalidVoice(f"{prompt} has type {dtype}; it must have an integer type")
    body = memoryview(data)[stream.tell() :]
    if min(shape, default=1) < 1 or math.prod(shape) * dtype.itemsize != len(body):
        raise _InvalidVoice(
            f"{prompt} is not a valid .npy array: {len(body)} bytes do not match shape {shape}"
        )
    return np.frombuffer(body, dtype).reshape(shape, order="F" if fortran_order else "C")
