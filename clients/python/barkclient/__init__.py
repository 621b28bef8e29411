"""Python client of barkserve: text in, audio out while the text is still being spoken.

async for chunk in AsyncClient("localhost:50051").synthesize("Hello"):
    play(chunk.samples())
"""

from barkclient._internal.wav import WavWriter
from barkclient._version import __version__
from barkclient.async_client import AsyncClient, AsyncSynthesis
from barkclient.async_speech import AsyncSpeechContext, AsyncSpeechStream
from barkclient.client import Client, Synthesis
from barkclient.errors import (
    BarkClientError,
    Cancelled,
    CannotResume,
    DeadlineExceeded,
    FieldViolation,
    InvalidRequest,
    Overloaded,
    PermissionDenied,
    PreconditionFailed,
    RetryableError,
    ServerError,
    ServerUnavailable,
    SessionExpired,
    Unauthenticated,
    VoiceExists,
    VoiceNotFound,
    VoiceStoreFull,
)
from barkclient.options import (
    FineOptions,
    LexiconEntry,
    Sampling,
    SemanticOptions,
    StreamOptions,
    SynthesisOptions,
    TailOptions,
)
from barkclient.remote_bark import RemoteBark, RemoteGenerationConfig
from barkclient.responses import (
    AudioChunk,
    Finished,
    MarkTime,
    SegmentReport,
    SpeechWarning,
    StageReport,
    Started,
    WordTime,
)
from barkclient.server_info import ServerInfo, ServerLimits
from barkclient.speech import SpeechContext, SpeechStream
from barkclient.tls import Tls
from barkclient.voices import HistoryPrompt, Voice, VoiceHandle

__all__ = [
    "AsyncClient",
    "AsyncSpeechContext",
    "AsyncSpeechStream",
    "AsyncSynthesis",
    "AudioChunk",
    "BarkClientError",
    "Cancelled",
    "CannotResume",
    "Client",
    "DeadlineExceeded",
    "FieldViolation",
    "FineOptions",
    "Finished",
    "HistoryPrompt",
    "InvalidRequest",
    "LexiconEntry",
    "MarkTime",
    "Overloaded",
    "PermissionDenied",
    "PreconditionFailed",
    "RemoteBark",
    "RemoteGenerationConfig",
    "RetryableError",
    "Sampling",
    "SegmentReport",
    "SemanticOptions",
    "ServerError",
    "ServerInfo",
    "ServerLimits",
    "ServerUnavailable",
    "SessionExpired",
    "SpeechContext",
    "SpeechStream",
    "SpeechWarning",
    "StageReport",
    "Started",
    "StreamOptions",
    "Synthesis",
    "SynthesisOptions",
    "TailOptions",
    "Tls",
    "Unauthenticated",
    "Voice",
    "VoiceExists",
    "VoiceHandle",
    "VoiceNotFound",
    "VoiceStoreFull",
    "WavWriter",
    "WordTime",
    "__version__",
]
