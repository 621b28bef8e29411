"""A voice as one file: Suno's .npz with what is known of the voice in the archive's comment.

Tools that read Suno's .npz files read these too. Trusts nothing it reads. Knows no folders.
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
    """What a voice's tokens are counted in; only a checkpoint with the same can continue it."""

    semantic: int
    codes: int
    coarse_codebooks: int
    fine_codebooks: int

    @classmethod
    def of(cls, config: BarkConfig) -> "TokenRanges":
        """Those of a checkpoint."""
        return cls(
            config.semantic_generation.semantic_vocab_size,
            config.codebook_size,
            config.coarse_generation.n_coarse_codebooks,
            config.fine_generation.n_fine_codebooks,
        )


@dataclass(frozen=True)
class VoiceRecord:
    """What is kept of a voice beside its tokens.

    Attributes:
        name: as it was created.
        language: BCP 47 code or "".
        description: in words, or "".
        created: seconds since 1970.
        checkpoint: the one that it was made with.
        ranges: of that checkpoint; None if the file does not say.
    """

    name: str
    language: str = ""
    description: str = ""
    created: float = 0.0
    checkpoint: str = ""
    ranges: TokenRanges | None = None


def pack(voice: Voice, record: VoiceRecord) -> bytes:
    """The file's bytes."""
    stream = io.BytesIO()
    np.savez_compressed(stream, **{prompt: getattr(voice, prompt) for prompt in PROMPTS})
    with zipfile.ZipFile(stream, "a") as archive:
        archive.comment = json.dumps(asdict(record)).encode()
    return stream.getvalue()


def unpack(data: bytes, config: BarkConfig, name: str) -> tuple[VoiceRecord, Voice]:
    """What a file holds; one without a comment of ours is a voice of which only the name is known.

    Raises:
        InvalidArgument: it is no voice, or one of a checkpoint that counts otherwise.
    """
    record = _record(data, name)
    if record.ranges not in (None, TokenRanges.of(config)):
        raise InvalidArgument(
            name, f"was made with the checkpoint {record.checkpoint}, whose tokens are others"
        )
    voice = voice_from_npz(data, config, record.name, field=name)
    return record, replace(voice, language=record.language)


def _record(data: bytes, name: str) -> VoiceRecord:
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
    except Exception:  # no archive, no comment, or one of another making
        return VoiceRecord(name)
