"""The file format of stored voices: Suno's .npz, with a record about the voice in the comment.

Tools that read Suno's .npz files can read these files. All input is checked.
"""

import io
import json
import zipfile
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from barkserve.checkpoint.bark_config import BarkConfig
from barkserve.checkpoint.voices import PROMPTS, Voice, voice_from_npz
from barkserve.errors import InvalidArgument


@dataclass(frozen=True)
class TokenRanges:
    """The token ranges of a checkpoint. Only a checkpoint with the same ones can use a voice.

    Attributes:
        semantic: the number of different semantic tokens.
        codes: the number of different codes of a codebook.
        coarse_codebooks: the number of coarse codebooks.
        fine_codebooks: the number of fine codebooks.
    """

    semantic: int
    codes: int
    coarse_codebooks: int
    fine_codebooks: int

    @classmethod
    def from_config(cls, config: BarkConfig) -> "TokenRanges":
        """Return the token ranges of a checkpoint."""
        return cls(
            config.semantic_generation.semantic_vocab_size,
            config.codebook_size,
            config.coarse_generation.n_coarse_codebooks,
            config.fine_generation.n_fine_codebooks,
        )


@dataclass(frozen=True)
class VoiceRecord:
    """The data that is stored with a voice's tokens.

    Attributes:
        name: the name at creation.
        language: a BCP 47 code, or empty.
        description: a text, or empty.
        created: seconds since 1970.
        checkpoint: the name of the checkpoint that the voice was made with.
        ranges: the token ranges of that checkpoint; None if unknown.
    """

    name: str
    language: str = ""
    description: str = ""
    created: float = 0.0
    checkpoint: str = ""
    ranges: TokenRanges | None = None


def pack(voice: Voice, record: VoiceRecord) -> bytes:
    """Return the bytes of a file."""
    stream = io.BytesIO()
    np.savez_compressed(stream, **{prompt: getattr(voice, prompt) for prompt in PROMPTS})
    with zipfile.ZipFile(stream, "a") as archive:
        archive.comment = json.dumps(asdict(record)).encode()
    return stream.getvalue()


def unpack(data: bytes, config: BarkConfig, name: str) -> tuple[VoiceRecord, Voice]:
    """Read the bytes of a file.

    Args:
        data: the file.
        config: the checkpoint that will use the voice.
        name: the name of a voice in a file without a record, such as Suno's.

    Raises:
        InvalidArgument: the file is not a voice, or one of a checkpoint with other token ranges.
    """
    record = _read_record(data) or VoiceRecord(name)
    if record.ranges not in (None, TokenRanges.from_config(config)):
        raise InvalidArgument(
            "npz", f"made with checkpoint {record.checkpoint}, which has other token ranges"
        )
    voice = voice_from_npz(data, config, record.name, field="npz")
    return record, replace(voice, language=record.language)


def _read_record(data: bytes) -> VoiceRecord | None:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            fields: dict[str, Any] = json.loads(archive.comment)
        return VoiceRecord(
            name=str(fields["name"]),
            language=str(fields["language"]),
            description=str(fields["description"]),
            created=float(fields["created"]),
            checkpoint=str(fields["checkpoint"]),
            ranges=TokenRanges(**fields["ranges"]),
        )
    except Exception:  # not an archive, no comment, or a comment of another program
        return None
