"""Voices in .npz files and in .npy arrays.

An input is an .npz file, or its four parts. The parts are packed with right checksums, so that
changes of them reach the parsers behind the ZIP archive.
"""

import io
import zipfile
from functools import cache

from barkserve.checkpoint.folder import CheckpointFolder, bundled_checkpoint
from barkserve.checkpoint.voices import PROMPTS, Voice, VoiceLibrary, voice_from_npz
from barkserve.errors import InvalidArgument
from barkserve.orchestrator.voices.npz import TokenRanges, VoiceRecord, pack, unpack

_SEPARATOR = b"\n--\n"
_MAX_SEED_TOKENS = 40


def fuzz(data: bytes) -> None:
    """Check that a file is a voice of the checkpoint, or an invalid argument."""
    parts = data.split(_SEPARATOR)
    if len(parts) == len(PROMPTS) + 1:
        data = _npz(parts)
    try:
        record, voice = unpack(data, _folder().bark, "fuzzed")
        voice_from_npz(data, _folder().bark)
    except InvalidArgument as error:
        str(error).encode()
        return
    for text in (record.name, record.language, record.description, voice.name, voice.language):
        text.encode()
    again, same = unpack(pack(voice, record), _folder().bark, "fuzzed")
    assert repr(again) == repr(record) or record.ranges is None, "a record changes"
    for prompt in PROMPTS:
        assert (getattr(same, prompt) == getattr(voice, prompt)).all(), "a voice changes"


def seeds() -> list[bytes]:
    """The bundled voices, shortened, as files and in parts, with and without a record."""
    library, config = VoiceLibrary(_folder()), _folder().bark
    files = []
    for name in library.names():
        record = VoiceRecord(
            name, "en", "A voice", 1.5, "bark-mini", TokenRanges.from_config(config)
        )
        files.append(pack(_shortened(library.get(name)), record))
    return files + [_in_parts(file) for file in files]


def _npz(parts: list[bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for prompt, part in zip(PROMPTS, parts, strict=False):
            archive.writestr(f"{prompt}.npy", part)
        archive.comment = parts[-1]
    return stream.getvalue()


def _in_parts(file: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(file)) as archive:
        arrays = [archive.read(f"{prompt}.npy") for prompt in PROMPTS]
        return _SEPARATOR.join((*arrays, archive.comment))


def _shortened(voice: Voice) -> Voice:
    return Voice(
        voice.name,
        voice.semantic_prompt[:_MAX_SEED_TOKENS],
        voice.coarse_prompt[:, :_MAX_SEED_TOKENS],
        voice.fine_prompt[:, :_MAX_SEED_TOKENS],
        voice.language,
    )


@cache
def _folder() -> CheckpointFolder:
    return CheckpointFolder.open(bundled_checkpoint())
