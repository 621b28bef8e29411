"""Voices: by name, by handle, as .npz files in Suno's format, or as tokens."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from barkclient._internal.encoding_errors import encoding_errors
from barkclient._internal.option_checks import check_types
from barkclient.errors import InvalidRequest, ServerError
from barkserve.v1 import common_pb2, speech_pb2

_ARRAYS = ("semantic_prompt", "coarse_prompt", "fine_prompt")
_COARSE_CODEBOOKS = 2
_HANDLE_PREFIX = "handle:"


@dataclass(frozen=True, repr=False)
class Voice:
    """A named voice of the server."""

    name: str
    is_default: bool = False
    language: str = ""  # a BCP 47 code; empty: unknown
    description: str = ""
    stored: bool = False  # created by a client; can be deleted

    def __repr__(self) -> str:
        facts = [self.language, "default" * self.is_default, "stored" * self.stored]
        return f"<Voice {', '.join([self.name, *filter(None, facts)])}>"


@dataclass(frozen=True)
class VoiceHandle:
    """A voice made from earlier speech and kept on the server for a limited time."""

    handle: str

    def __str__(self) -> str:
        return f"{_HANDLE_PREFIX}{self.handle}"  # accepted as `voice`


@dataclass(frozen=True, eq=False, repr=False)
class HistoryPrompt:
    """A voice as tokens of earlier speech, which Bark continues.

    Attributes:
        semantic_prompt: (n,) semantic tokens.
        coarse_prompt: (2, frames) codes of the first two codebooks.
        fine_prompt: (8, frames) codes of all codebooks.
    """

    semantic_prompt: NDArray[np.integer[Any]]
    coarse_prompt: NDArray[np.integer[Any]]
    fine_prompt: NDArray[np.integer[Any]]

    def __repr__(self) -> str:
        tokens, frames = len(self.semantic_prompt), self.coarse_prompt.shape[-1]
        return f"<HistoryPrompt of {tokens} semantic tokens and {frames} frames>"

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the .npz file that Suno's tools, transformers and barkserve read."""
        with open(path, "wb") as file:  # given a path, savez would append a suffix
            np.savez(file, **{name: getattr(self, name) for name in _ARRAYS})


VoiceLike = (
    str | os.PathLike[str] | HistoryPrompt | Mapping[str, ArrayLike] | Voice | VoiceHandle | None
)


def voice_selection(voice: VoiceLike) -> speech_pb2.VoiceSelection | None:
    """Build the voice selection of a request. None: the server's default voice.

    Raises:
        InvalidRequest: `voice` has a wrong type, the file cannot be read, or the arrays have a
            wrong shape or type.
    """
    match voice:
        case None:
            return None
        case Voice():
            return speech_pb2.VoiceSelection(name=voice.name)
        case VoiceHandle():
            return speech_pb2.VoiceSelection(handle=voice.handle)
        case HistoryPrompt():
            arrays = {name: getattr(voice, name) for name in _ARRAYS}
            return speech_pb2.VoiceSelection(history_prompt=_encode(arrays))
        case Mapping():
            return speech_pb2.VoiceSelection(history_prompt=_encode(voice))
        case str() if voice.startswith(_HANDLE_PREFIX):
            return speech_pb2.VoiceSelection(handle=voice.removeprefix(_HANDLE_PREFIX))
        case str() if not voice.endswith(".npz"):
            return speech_pb2.VoiceSelection(name=voice)
        case str() | os.PathLike():
            return speech_pb2.VoiceSelection(npz=_read(Path(voice)))
        case _:
            raise InvalidRequest.of_field(
                "voice",
                "must be a name, a path, a HistoryPrompt or a mapping of arrays, not"
                f" {type(voice).__name__}",
            )


def build_voice(
    name: str, source: VoiceLike, *, language: str, description: str, replace: bool
) -> speech_pb2.CreateVoiceRequest:
    """Build the request that stores a voice.

    Raises:
        InvalidRequest: the source cannot be read or sent.
    """
    words = {"name": name, "language": language, "description": description}
    check_types({**words, "replace": replace}, {**dict.fromkeys(words, str), "replace": bool})
    with encoding_errors():
        return speech_pb2.CreateVoiceRequest(
            name=name,
            source=voice_selection(source),
            language_code=language,
            description=description,
            replace=replace,
        )


def decode_voice(message: speech_pb2.Voice) -> Voice:
    """Decode the description of a voice."""
    return Voice(
        name=message.name,
        is_default=message.is_default,
        language=message.language_code,
        description=message.description,
        stored=message.origin == speech_pb2.VOICE_ORIGIN_STORED,
    )


def decode_history_prompt(message: common_pb2.HistoryPrompt) -> HistoryPrompt:
    """Decode the tokens of a voice.

    Raises:
        ServerError: the codes are not whole frames.
    """
    frames = len(message.coarse_prompt) // _COARSE_CODEBOOKS
    if frames == 0 or len(message.fine_prompt) % frames:
        raise ServerError("the server violated the protocol: a voice with incomplete frames")
    return HistoryPrompt(
        semantic_prompt=np.array(message.semantic_prompt, np.int32),
        coarse_prompt=np.array(message.coarse_prompt, np.int32).reshape(frames, -1).T,
        fine_prompt=np.array(message.fine_prompt, np.int32).reshape(frames, -1).T,
    )


def _encode(arrays: Mapping[str, ArrayLike]) -> common_pb2.HistoryPrompt:
    prompts = {name: _flat(name, arrays) for name in _ARRAYS}
    return common_pb2.HistoryPrompt(**prompts)


def _flat(name: str, arrays: Mapping[str, ArrayLike]) -> list[int]:
    """Flatten an array as the proto has it: codes frame by frame."""
    if name not in arrays:
        raise InvalidRequest.of_field(f"voice.history_prompt.{name}", "is missing")
    array = np.asarray(arrays[name])
    dimensions = 1 if name == "semantic_prompt" else 2
    if array.ndim != dimensions or not np.issubdtype(array.dtype, np.integer):
        raise InvalidRequest.of_field(
            f"voice.history_prompt.{name}",
            f"must be integers in {dimensions}-D, not {array.dtype} in {array.ndim}-D",
        )
    if name == "coarse_prompt" and len(array) != _COARSE_CODEBOOKS:
        raise InvalidRequest.of_field(
            "voice.history_prompt.coarse_prompt", f"must have 2 rows, not {len(array)}"
        )
    return [int(code) for code in array.T.ravel()]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidRequest.of_field("voice", f"cannot read {path}: {error.strerror}") from error
