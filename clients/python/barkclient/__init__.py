"""The Python client of barkserve: text in, audio out while the text is still being spoken.

async for chunk in AsyncClient("localhost:50051").synthesize("Hello"):
    play(chunk.samples())
"""

from barkclient.async_client import AsyncClient, AsyncSynthesis
from barkclient.client import Client, Synthesis
from barkclient.errors import (
    BarkClientError,
    Cancelled,
    DeadlineExceeded,
    FieldViolation,
    InvalidRequest,
    Overloaded,
    ServerError,
    ServerUnavailable,
    VoiceNotFound,
)
from barkclient.options import FineOptions, Sampling, SemanticOptions, SynthesisOptions
from barkclient.responses import AudioChunk, Finished, StageReport, Started
from barkclient.voices import HistoryPrompt, Voice
from barkclient.wav import WavWriter

__all__ = [
    "AsyncClient",
    "AsyncSynthesis",
    "AudioChunk",
    "BarkClientError",
    "Cancelled",
    "Client",
    "DeadlineExceeded",
    "FieldViolation",
    "FineOptions",
    "Finished",
    "HistoryPrompt",
    "InvalidRequest",
    "Overloaded",
    "Sampling",
    "SemanticOptions",
    "ServerError",
    "ServerUnavailable",
    "StageReport",
    "Started",
    "Synthesis",
    "SynthesisOptions",
    "Voice",
    "VoiceNotFound",
    "WavWriter",
]
