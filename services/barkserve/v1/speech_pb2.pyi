from barkserve.v1 import common_pb2 as _common_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class AudioEncoding(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    AUDIO_ENCODING_UNSPECIFIED: _ClassVar[AudioEncoding]
    AUDIO_ENCODING_PCM16: _ClassVar[AudioEncoding]
    AUDIO_ENCODING_FLOAT32: _ClassVar[AudioEncoding]
AUDIO_ENCODING_UNSPECIFIED: AudioEncoding
AUDIO_ENCODING_PCM16: AudioEncoding
AUDIO_ENCODING_FLOAT32: AudioEncoding

class SynthesizeRequest(_message.Message):
    __slots__ = ("text", "voice", "audio_format", "seed", "delivery_mode", "greedy", "semantic", "coarse", "fine", "request_id", "return_voice")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    VOICE_FIELD_NUMBER: _ClassVar[int]
    AUDIO_FORMAT_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    DELIVERY_MODE_FIELD_NUMBER: _ClassVar[int]
    GREEDY_FIELD_NUMBER: _ClassVar[int]
    SEMANTIC_FIELD_NUMBER: _ClassVar[int]
    COARSE_FIELD_NUMBER: _ClassVar[int]
    FINE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    RETURN_VOICE_FIELD_NUMBER: _ClassVar[int]
    text: str
    voice: VoiceSelection
    audio_format: AudioFormat
    seed: int
    delivery_mode: _common_pb2.DeliveryMode
    greedy: bool
    semantic: SemanticOptions
    coarse: CoarseOptions
    fine: FineOptions
    request_id: str
    return_voice: bool
    def __init__(self, text: _Optional[str] = ..., voice: _Optional[_Union[VoiceSelection, _Mapping]] = ..., audio_format: _Optional[_Union[AudioFormat, _Mapping]] = ..., seed: _Optional[int] = ..., delivery_mode: _Optional[_Union[_common_pb2.DeliveryMode, str]] = ..., greedy: bool = ..., semantic: _Optional[_Union[SemanticOptions, _Mapping]] = ..., coarse: _Optional[_Union[CoarseOptions, _Mapping]] = ..., fine: _Optional[_Union[FineOptions, _Mapping]] = ..., request_id: _Optional[str] = ..., return_voice: bool = ...) -> None: ...

class SemanticOptions(_message.Message):
    __slots__ = ("sampling", "min_eos_p", "max_tokens")
    SAMPLING_FIELD_NUMBER: _ClassVar[int]
    MIN_EOS_P_FIELD_NUMBER: _ClassVar[int]
    MAX_TOKENS_FIELD_NUMBER: _ClassVar[int]
    sampling: _common_pb2.Sampling
    min_eos_p: float
    max_tokens: int
    def __init__(self, sampling: _Optional[_Union[_common_pb2.Sampling, _Mapping]] = ..., min_eos_p: _Optional[float] = ..., max_tokens: _Optional[int] = ...) -> None: ...

class CoarseOptions(_message.Message):
    __slots__ = ("sampling",)
    SAMPLING_FIELD_NUMBER: _ClassVar[int]
    sampling: _common_pb2.Sampling
    def __init__(self, sampling: _Optional[_Union[_common_pb2.Sampling, _Mapping]] = ...) -> None: ...

class FineOptions(_message.Message):
    __slots__ = ("sampling", "lookahead_frames")
    SAMPLING_FIELD_NUMBER: _ClassVar[int]
    LOOKAHEAD_FRAMES_FIELD_NUMBER: _ClassVar[int]
    sampling: _common_pb2.Sampling
    lookahead_frames: int
    def __init__(self, sampling: _Optional[_Union[_common_pb2.Sampling, _Mapping]] = ..., lookahead_frames: _Optional[int] = ...) -> None: ...

class VoiceSelection(_message.Message):
    __slots__ = ("name", "history_prompt", "npz")
    NAME_FIELD_NUMBER: _ClassVar[int]
    HISTORY_PROMPT_FIELD_NUMBER: _ClassVar[int]
    NPZ_FIELD_NUMBER: _ClassVar[int]
    name: str
    history_prompt: _common_pb2.HistoryPrompt
    npz: bytes
    def __init__(self, name: _Optional[str] = ..., history_prompt: _Optional[_Union[_common_pb2.HistoryPrompt, _Mapping]] = ..., npz: _Optional[bytes] = ...) -> None: ...

class AudioFormat(_message.Message):
    __slots__ = ("encoding",)
    ENCODING_FIELD_NUMBER: _ClassVar[int]
    encoding: AudioEncoding
    def __init__(self, encoding: _Optional[_Union[AudioEncoding, str]] = ...) -> None: ...

class SynthesizeResponse(_message.Message):
    __slots__ = ("started", "audio", "finished")
    STARTED_FIELD_NUMBER: _ClassVar[int]
    AUDIO_FIELD_NUMBER: _ClassVar[int]
    FINISHED_FIELD_NUMBER: _ClassVar[int]
    started: SynthesisStarted
    audio: AudioChunk
    finished: SynthesisFinished
    def __init__(self, started: _Optional[_Union[SynthesisStarted, _Mapping]] = ..., audio: _Optional[_Union[AudioChunk, _Mapping]] = ..., finished: _Optional[_Union[SynthesisFinished, _Mapping]] = ...) -> None: ...

class SynthesisStarted(_message.Message):
    __slots__ = ("request_id", "seed", "voice", "encoding", "sample_rate_hertz", "model")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    VOICE_FIELD_NUMBER: _ClassVar[int]
    ENCODING_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_RATE_HERTZ_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    seed: int
    voice: str
    encoding: AudioEncoding
    sample_rate_hertz: int
    model: str
    def __init__(self, request_id: _Optional[str] = ..., seed: _Optional[int] = ..., voice: _Optional[str] = ..., encoding: _Optional[_Union[AudioEncoding, str]] = ..., sample_rate_hertz: _Optional[int] = ..., model: _Optional[str] = ...) -> None: ...

class AudioChunk(_message.Message):
    __slots__ = ("audio", "first_sample", "text_span")
    AUDIO_FIELD_NUMBER: _ClassVar[int]
    FIRST_SAMPLE_FIELD_NUMBER: _ClassVar[int]
    TEXT_SPAN_FIELD_NUMBER: _ClassVar[int]
    audio: bytes
    first_sample: int
    text_span: TextSpan
    def __init__(self, audio: _Optional[bytes] = ..., first_sample: _Optional[int] = ..., text_span: _Optional[_Union[TextSpan, _Mapping]] = ...) -> None: ...

class TextSpan(_message.Message):
    __slots__ = ("start", "end")
    START_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    start: int
    end: int
    def __init__(self, start: _Optional[int] = ..., end: _Optional[int] = ...) -> None: ...

class SynthesisFinished(_message.Message):
    __slots__ = ("finish_reason", "sample_count", "stages", "voice")
    FINISH_REASON_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_COUNT_FIELD_NUMBER: _ClassVar[int]
    STAGES_FIELD_NUMBER: _ClassVar[int]
    VOICE_FIELD_NUMBER: _ClassVar[int]
    finish_reason: _common_pb2.FinishReason
    sample_count: int
    stages: _containers.RepeatedCompositeFieldContainer[_common_pb2.StageReport]
    voice: _common_pb2.HistoryPrompt
    def __init__(self, finish_reason: _Optional[_Union[_common_pb2.FinishReason, str]] = ..., sample_count: _Optional[int] = ..., stages: _Optional[_Iterable[_Union[_common_pb2.StageReport, _Mapping]]] = ..., voice: _Optional[_Union[_common_pb2.HistoryPrompt, _Mapping]] = ...) -> None: ...

class ListVoicesRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListVoicesResponse(_message.Message):
    __slots__ = ("voices",)
    VOICES_FIELD_NUMBER: _ClassVar[int]
    voices: _containers.RepeatedCompositeFieldContainer[Voice]
    def __init__(self, voices: _Optional[_Iterable[_Union[Voice, _Mapping]]] = ...) -> None: ...

class Voice(_message.Message):
    __slots__ = ("name", "is_default")
    NAME_FIELD_NUMBER: _ClassVar[int]
    IS_DEFAULT_FIELD_NUMBER: _ClassVar[int]
    name: str
    is_default: bool
    def __init__(self, name: _Optional[str] = ..., is_default: bool = ...) -> None: ...
