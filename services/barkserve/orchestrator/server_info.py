"""Builds the answer to GetServerInfo."""

from collections.abc import Sequence
from importlib.metadata import version

from barkserve.constants import MAX_NPZ_BYTES
from barkserve.orchestrator.audio.encodings import ENCODINGS
from barkserve.orchestrator.audio.output_format import (
    MAX_CHUNK_MS,
    MAX_SAMPLE_RATE,
    MIN_CHUNK_MS,
    MIN_SAMPLE_RATE,
)
from barkserve.speaking_rate import MAX_SPEAKING_RATE, MIN_SPEAKING_RATE
from barkserve.v1 import speech_pb2


def server_info(
    *,
    model: str,
    model_revision: str,
    sample_rate: int,
    default_voice: str,
    languages: Sequence[str],
    limits: speech_pb2.ServerLimits,
) -> speech_pb2.GetServerInfoResponse:
    """Build the answer to GetServerInfo.

    Args:
        model: the checkpoint's name.
        model_revision: the checkpoint's fingerprint.
        sample_rate: the checkpoint's, in Hz.
        default_voice: a name, or "none".
        languages: BCP 47 codes of the languages that the checkpoint's voices speak.
        limits: those of the server's options; those of uploads and audio are added.
    """
    response = speech_pb2.GetServerInfoResponse(
        version=version("barkserve"),
        model=model,
        model_revision=model_revision,
        sample_rate_hertz=sample_rate,
        default_voice=default_voice,
        encodings=ENCODINGS,
        language_codes=languages,
        limits=limits,
    )
    response.limits.max_voice_bytes = MAX_NPZ_BYTES
    response.limits.min_sample_rate_hertz = MIN_SAMPLE_RATE
    response.limits.max_sample_rate_hertz = MAX_SAMPLE_RATE
    response.limits.min_chunk_ms = MIN_CHUNK_MS
    response.limits.max_chunk_ms = MAX_CHUNK_MS
    response.limits.min_speaking_rate = MIN_SPEAKING_RATE
    response.limits.max_speaking_rate = MAX_SPEAKING_RATE
    return response
