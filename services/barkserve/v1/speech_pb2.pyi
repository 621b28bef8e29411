from barkserve.v1 import common_pb2 as _common_pb2
from google.rpc import status_pb2 as _status_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class TextFormat(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TEXT_FORMAT_UNSPECIFIED: _ClassVar[TextFormat]
    TEXT_FORMAT_AUTO: _ClassVar[TextFormat]
    TEXT_FORMAT_PLAIN: _ClassVar[TextFormat]
    TEXT_FORMAT_MARKDOWN: _ClassVar[TextFormat]
    TEXT_FORMAT_SSML: _ClassVar[TextFormat]

class AudioEncoding(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    AUDIO_ENCODING_UNSPECIFIED: _ClassVar[AudioEncoding]
    AUDIO_ENCODING_PCM16: _ClassVar[AudioEncoding]
    AUDIO_ENCODING_FLOAT32: _ClassVar[AudioEncoding]
    AUDIO_ENCODING_MULAW: _ClassVar[AudioEncoding]
    AUDIO_ENCODING_ALAW: _ClassVar[AudioEncoding]
    AUDIO_ENCODING_WAV: _ClassVar[AudioEncoding]
    AUDIO_ENCODING_FLAC: _ClassVar[AudioEncoding]
    AUDIO_ENCODING_OGG_OPUS: _ClassVar[AudioEncoding]
    AUDIO_ENCODING_MP3: _ClassVar[AudioEncoding]

class WarningCode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    WARNING_CODE_UNSPECIFIED: _ClassVar[WarningCode]
    WARNING_CODE_TEXT_SKIPPED: _ClassVar[WarningCode]
    WARNING_CODE_LANGUAGE: _ClassVar[WarningCode]
    WARNING_CODE_MARKUP_IGNORED: _ClassVar[WarningCode]
    WARNING_CODE_LENGTH_LIMIT: _ClassVar[WarningCode]
    WARNING_CODE_REDRAWN: _ClassVar[WarningCode]
    WARNING_CODE_LEXICON_IGNORED: _ClassVar[WarningCode]

class VoiceOrigin(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    VOICE_ORIGIN_UNSPECIFIED: _ClassVar[VoiceOrigin]
    VOICE_ORIGIN_CHECKPOINT: _ClassVar[VoiceOrigin]
    VOICE_ORIGIN_STORED: _ClassVar[VoiceOrigin]
TEXT_FORMAT_UNSPECIFIED: TextFormat
TEXT_FORMAT_AUTO: TextFormat
TEXT_FORMAT_PLAIN: TextFormat
TEXT_FORMAT_MARKDOWN: TextFormat
TEXT_FORMAT_SSML: TextFormat
AUDIO_ENCODING_UNSPECIFIED: AudioEncoding
AUDIO_ENCODING_PCM16: AudioEncoding
AUDIO_ENCODING_FLOAT32: AudioEncoding
AUDIO_ENCODING_MULAW: AudioEncoding
AUDIO_ENCODING_ALAW: AudioEncoding
AUDIO_ENCODING_WAV: AudioEncoding
AUDIO_ENCODING_FLAC: AudioEncoding
AUDIO_ENCODING_OGG_OPUS: AudioEncoding
AUDIO_ENCODING_MP3: AudioEncoding
WARNING_CODE_UNSPECIFIED: WarningCode
WARNING_CODE_TEXT_SKIPPED: WarningCode
WARNING_CODE_LANGUAGE: WarningCode
WARNING_CODE_MARKUP_IGNORED: WarningCode
WARNING_CODE_LENGTH_LIMIT: WarningCode
WARNING_CODE_REDRAWN: WarningCode
WARNING_CODE_LEXICON_IGNORED: WarningCode
VOICE_ORIGIN_UNSPECIFIED: VoiceOrigin
VOICE_ORIGIN_CHECKPOINT: VoiceOrigin
VOICE_ORIGIN_STORED: VoiceOrigin

class SynthesizeRequest(_message.Message):
    __slots__ = ("text", "voice", "audio_format", "seed", "delivery_mode", "greedy", "semantic", "coarse", "fine", "request_id", "return_voice", "keep_voice", "language_code", "word_times", "tail", "resume", "speaking_rate", "text_format", "lexicon")
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
    KEEP_VOICE_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_CODE_FIELD_NUMBER: _ClassVar[int]
    WORD_TIMES_FIELD_NUMBER: _ClassVar[int]
    TAIL_FIELD_NUMBER: _ClassVar[int]
    RESUME_FIELD_NUMBER: _ClassVar[int]
    SPEAKING_RATE_FIELD_NUMBER: _ClassVar[int]
    TEXT_FORMAT_FIELD_NUMBER: _ClassVar[int]
    LEXICON_FIELD_NUMBER: _ClassVar[int]
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
    keep_voice: bool
    language_code: str
    word_times: bool
    tail: TailOptions
    resume: Resume
    speaking_rate: float
    text_format: TextFormat
    lexicon: _containers.RepeatedCompositeFieldContainer[LexiconEntry]
    def __init__(self, text: _Optional[str] = ..., voice: _Optional[_Union[VoiceSelection, _Mapping]] = ..., audio_format: _Optional[_Union[AudioFormat, _Mapping]] = ..., seed: _Optional[int] = ..., delivery_mode: _Optional[_Union[_common_pb2.DeliveryMode, str]] = ..., greedy: bool = ..., semantic: _Optional[_Union[SemanticOptions, _Mapping]] = ..., coarse: _Optional[_Union[CoarseOptions, _Mapping]] = ..., fine: _Optional[_Union[FineOptions, _Mapping]] = ..., request_id: _Optional[str] = ..., return_voice: bool = ..., keep_voice: bool = ..., language_code: _Optional[str] = ..., word_times: bool = ..., tail: _Optional[_Union[TailOptions, _Mapping]] = ..., resume: _Optional[_Union[Resume, _Mapping]] = ..., speaking_rate: _Optional[float] = ..., text_format: _Optional[_Union[TextFormat, str]] = ..., lexicon: _Optional[_Iterable[_Union[LexiconEntry, _Mapping]]] = ...) -> None: ...

class LexiconEntry(_message.Message):
    __slots__ = ("word", "spelling", "ipa", "match_case")
    WORD_FIELD_NUMBER: _ClassVar[int]
    SPELLING_FIELD_NUMBER: _ClassVar[int]
    IPA_FIELD_NUMBER: _ClassVar[int]
    MATCH_CASE_FIELD_NUMBER: _ClassVar[int]
    word: str
    spelling: str
    ipa: str
    match_case: bool
    def __init__(self, word: _Optional[str] = ..., spelling: _Optional[str] = ..., ipa: _Optional[str] = ..., match_case: bool = ...) -> None: ...

class Resume(_message.Message):
    __slots__ = ("started", "segments", "sample_count", "byte_count", "word_count", "mark_count")
    STARTED_FIELD_NUMBER: _ClassVar[int]
    SEGMENTS_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_COUNT_FIELD_NUMBER: _ClassVar[int]
    BYTE_COUNT_FIELD_NUMBER: _ClassVar[int]
    WORD_COUNT_FIELD_NUMBER: _ClassVar[int]
    MARK_COUNT_FIELD_NUMBER: _ClassVar[int]
    started: SynthesisStarted
    segments: _containers.RepeatedCompositeFieldContainer[SpokenSegment]
    sample_count: int
    byte_count: int
    word_count: int
    mark_count: int
    def __init__(self, started: _Optional[_Union[SynthesisStarted, _Mapping]] = ..., segments: _Optional[_Iterable[_Union[SpokenSegment, _Mapping]]] = ..., sample_count: _Optional[int] = ..., byte_count: _Optional[int] = ..., word_count: _Optional[int] = ..., mark_count: _Optional[int] = ...) -> None: ...

class SpokenSegment(_message.Message):
    __slots__ = ("text_span", "redraws", "character_count")
    TEXT_SPAN_FIELD_NUMBER: _ClassVar[int]
    REDRAWS_FIELD_NUMBER: _ClassVar[int]
    CHARACTER_COUNT_FIELD_NUMBER: _ClassVar[int]
    text_span: TextSpan
    redraws: int
    character_count: int
    def __init__(self, text_span: _Optional[_Union[TextSpan, _Mapping]] = ..., redraws: _Optional[int] = ..., character_count: _Optional[int] = ...) -> None: ...

class TailOptions(_message.Message):
    __slots__ = ("max_seconds_per_character", "max_silence_seconds", "max_redraws")
    MAX_SECONDS_PER_CHARACTER_FIELD_NUMBER: _ClassVar[int]
    MAX_SILENCE_SECONDS_FIELD_NUMBER: _ClassVar[int]
    MAX_REDRAWS_FIELD_NUMBER: _ClassVar[int]
    max_seconds_per_character: float
    max_silence_seconds: float
    max_redraws: int
    def __init__(self, max_seconds_per_character: _Optional[float] = ..., max_silence_seconds: _Optional[float] = ..., max_redraws: _Optional[int] = ...) -> None: ...

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
    __slots__ = ("sampling", "lookahead_frames", "chunk_plan")
    SAMPLING_FIELD_NUMBER: _ClassVar[int]
    LOOKAHEAD_FRAMES_FIELD_NUMBER: _ClassVar[int]
    CHUNK_PLAN_FIELD_NUMBER: _ClassVar[int]
    sampling: _common_pb2.Sampling
    lookahead_frames: int
    chunk_plan: _common_pb2.ChunkPlan
    def __init__(self, sampling: _Optional[_Union[_common_pb2.Sampling, _Mapping]] = ..., lookahead_frames: _Optional[int] = ..., chunk_plan: _Optional[_Union[_common_pb2.ChunkPlan, _Mapping]] = ...) -> None: ...

class VoiceSelection(_message.Message):
    __slots__ = ("name", "history_prompt", "npz", "handle")
    NAME_FIELD_NUMBER: _ClassVar[int]
    HISTORY_PROMPT_FIELD_NUMBER: _ClassVar[int]
    NPZ_FIELD_NUMBER: _ClassVar[int]
    HANDLE_FIELD_NUMBER: _ClassVar[int]
    name: str
    history_prompt: _common_pb2.HistoryPrompt
    npz: bytes
    handle: str
    def __init__(self, name: _Optional[str] = ..., history_prompt: _Optional[_Union[_common_pb2.HistoryPrompt, _Mapping]] = ..., npz: _Optional[bytes] = ..., handle: _Optional[str] = ...) -> None: ...

class AudioFormat(_message.Message):
    __slots__ = ("encoding", "sample_rate_hertz", "first_chunk_ms", "chunk_ms", "gain_db", "limit_peaks")
    ENCODING_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_RATE_HERTZ_FIELD_NUMBER: _ClassVar[int]
    FIRST_CHUNK_MS_FIELD_NUMBER: _ClassVar[int]
    CHUNK_MS_FIELD_NUMBER: _ClassVar[int]
    GAIN_DB_FIELD_NUMBER: _ClassVar[int]
    LIMIT_PEAKS_FIELD_NUMBER: _ClassVar[int]
    encoding: AudioEncoding
    sample_rate_hertz: int
    first_chunk_ms: int
    chunk_ms: int
    gain_db: float
    limit_peaks: bool
    def __init__(self, encoding: _Optional[_Union[AudioEncoding, str]] = ..., sample_rate_hertz: _Optional[int] = ..., first_chunk_ms: _Optional[int] = ..., chunk_ms: _Optional[int] = ..., gain_db: _Optional[float] = ..., limit_peaks: bool = ...) -> None: ...

class SynthesizeResponse(_message.Message):
    __slots__ = ("started", "audio", "finished", "words", "heartbeat")
    STARTED_FIELD_NUMBER: _ClassVar[int]
    AUDIO_FIELD_NUMBER: _ClassVar[int]
    FINISHED_FIELD_NUMBER: _ClassVar[int]
    WORDS_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    started: SynthesisStarted
    audio: AudioChunk
    finished: SynthesisFinished
    words: WordTimes
    heartbeat: Heartbeat
    def __init__(self, started: _Optional[_Union[SynthesisStarted, _Mapping]] = ..., audio: _Optional[_Union[AudioChunk, _Mapping]] = ..., finished: _Optional[_Union[SynthesisFinished, _Mapping]] = ..., words: _Optional[_Union[WordTimes, _Mapping]] = ..., heartbeat: _Optional[_Union[Heartbeat, _Mapping]] = ...) -> None: ...

class Heartbeat(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class StreamingSynthesizeRequest(_message.Message):
    __slots__ = ("context_id", "config", "text", "utf8", "flush", "cancel", "end")
    CONTEXT_ID_FIELD_NUMBER: _ClassVar[int]
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    UTF8_FIELD_NUMBER: _ClassVar[int]
    FLUSH_FIELD_NUMBER: _ClassVar[int]
    CANCEL_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    context_id: str
    config: StreamingConfig
    text: str
    utf8: bytes
    flush: Flush
    cancel: Cancel
    end: End
    def __init__(self, context_id: _Optional[str] = ..., config: _Optional[_Union[StreamingConfig, _Mapping]] = ..., text: _Optional[str] = ..., utf8: _Optional[bytes] = ..., flush: _Optional[_Union[Flush, _Mapping]] = ..., cancel: _Optional[_Union[Cancel, _Mapping]] = ..., end: _Optional[_Union[End, _Mapping]] = ...) -> None: ...

class StreamingConfig(_message.Message):
    __slots__ = ("options", "max_delay_ms")
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    MAX_DELAY_MS_FIELD_NUMBER: _ClassVar[int]
    options: SynthesizeRequest
    max_delay_ms: int
    def __init__(self, options: _Optional[_Union[SynthesizeRequest, _Mapping]] = ..., max_delay_ms: _Optional[int] = ...) -> None: ...

class Flush(_message.Message):
    __slots__ = ("flush_id",)
    FLUSH_ID_FIELD_NUMBER: _ClassVar[int]
    flush_id: str
    def __init__(self, flush_id: _Optional[str] = ...) -> None: ...

class Cancel(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class End(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class StreamingSynthesizeResponse(_message.Message):
    __slots__ = ("context_id", "started", "audio", "words", "flush_done", "finished", "error", "heartbeat")
    CONTEXT_ID_FIELD_NUMBER: _ClassVar[int]
    STARTED_FIELD_NUMBER: _ClassVar[int]
    AUDIO_FIELD_NUMBER: _ClassVar[int]
    WORDS_FIELD_NUMBER: _ClassVar[int]
    FLUSH_DONE_FIELD_NUMBER: _ClassVar[int]
    FINISHED_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    context_id: str
    started: SynthesisStarted
    audio: AudioChunk
    words: WordTimes
    flush_done: FlushDone
    finished: SynthesisFinished
    error: _status_pb2.Status
    heartbeat: Heartbeat
    def __init__(self, context_id: _Optional[str] = ..., started: _Optional[_Union[SynthesisStarted, _Mapping]] = ..., audio: _Optional[_Union[AudioChunk, _Mapping]] = ..., words: _Optional[_Union[WordTimes, _Mapping]] = ..., flush_done: _Optional[_Union[FlushDone, _Mapping]] = ..., finished: _Optional[_Union[SynthesisFinished, _Mapping]] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ..., heartbeat: _Optional[_Union[Heartbeat, _Mapping]] = ...) -> None: ...

class FlushDone(_message.Message):
    __slots__ = ("flush_id",)
    FLUSH_ID_FIELD_NUMBER: _ClassVar[int]
    flush_id: str
    def __init__(self, flush_id: _Optional[str] = ...) -> None: ...

class WordTimes(_message.Message):
    __slots__ = ("words", "marks")
    WORDS_FIELD_NUMBER: _ClassVar[int]
    MARKS_FIELD_NUMBER: _ClassVar[int]
    words: _containers.RepeatedCompositeFieldContainer[WordTime]
    marks: _containers.RepeatedCompositeFieldContainer[MarkTime]
    def __init__(self, words: _Optional[_Iterable[_Union[WordTime, _Mapping]]] = ..., marks: _Optional[_Iterable[_Union[MarkTime, _Mapping]]] = ...) -> None: ...

class MarkTime(_message.Message):
    __slots__ = ("name", "position", "sample")
    NAME_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_FIELD_NUMBER: _ClassVar[int]
    name: str
    position: int
    sample: int
    def __init__(self, name: _Optional[str] = ..., position: _Optional[int] = ..., sample: _Optional[int] = ...) -> None: ...

class WordTime(_message.Message):
    __slots__ = ("word", "text_span", "first_sample", "end_sample")
    WORD_FIELD_NUMBER: _ClassVar[int]
    TEXT_SPAN_FIELD_NUMBER: _ClassVar[int]
    FIRST_SAMPLE_FIELD_NUMBER: _ClassVar[int]
    END_SAMPLE_FIELD_NUMBER: _ClassVar[int]
    word: str
    text_span: TextSpan
    first_sample: int
    end_sample: int
    def __init__(self, word: _Optional[str] = ..., text_span: _Optional[_Union[TextSpan, _Mapping]] = ..., first_sample: _Optional[int] = ..., end_sample: _Optional[int] = ...) -> None: ...

class SynthesisStarted(_message.Message):
    __slots__ = ("request_id", "seed", "voice", "encoding", "sample_rate_hertz", "model", "model_revision", "heartbeat_ms", "speaking_rate", "chunk_plan", "lexicon_revision")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    VOICE_FIELD_NUMBER: _ClassVar[int]
    ENCODING_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_RATE_HERTZ_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    MODEL_REVISION_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_MS_FIELD_NUMBER: _ClassVar[int]
    SPEAKING_RATE_FIELD_NUMBER: _ClassVar[int]
    CHUNK_PLAN_FIELD_NUMBER: _ClassVar[int]
    LEXICON_REVISION_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    seed: int
    voice: str
    encoding: AudioEncoding
    sample_rate_hertz: int
    model: str
    model_revision: str
    heartbeat_ms: int
    speaking_rate: float
    chunk_plan: _common_pb2.ChunkPlan
    lexicon_revision: str
    def __init__(self, request_id: _Optional[str] = ..., seed: _Optional[int] = ..., voice: _Optional[str] = ..., encoding: _Optional[_Union[AudioEncoding, str]] = ..., sample_rate_hertz: _Optional[int] = ..., model: _Optional[str] = ..., model_revision: _Optional[str] = ..., heartbeat_ms: _Optional[int] = ..., speaking_rate: _Optional[float] = ..., chunk_plan: _Optional[_Union[_common_pb2.ChunkPlan, _Mapping]] = ..., lexicon_revision: _Optional[str] = ...) -> None: ...

class AudioChunk(_message.Message):
    __slots__ = ("audio", "first_sample", "text_span", "sample_count", "segments")
    AUDIO_FIELD_NUMBER: _ClassVar[int]
    FIRST_SAMPLE_FIELD_NUMBER: _ClassVar[int]
    TEXT_SPAN_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_COUNT_FIELD_NUMBER: _ClassVar[int]
    SEGMENTS_FIELD_NUMBER: _ClassVar[int]
    audio: bytes
    first_sample: int
    text_span: TextSpan
    sample_count: int
    segments: _containers.RepeatedCompositeFieldContainer[SpokenSegment]
    def __init__(self, audio: _Optional[bytes] = ..., first_sample: _Optional[int] = ..., text_span: _Optional[_Union[TextSpan, _Mapping]] = ..., sample_count: _Optional[int] = ..., segments: _Optional[_Iterable[_Union[SpokenSegment, _Mapping]]] = ...) -> None: ...

class TextSpan(_message.Message):
    __slots__ = ("start", "end")
    START_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    start: int
    end: int
    def __init__(self, start: _Optional[int] = ..., end: _Optional[int] = ...) -> None: ...

class SynthesisFinished(_message.Message):
    __slots__ = ("finish_reason", "sample_count", "stages", "voice", "voice_handle", "segments", "voice_handle_error", "warnings")
    FINISH_REASON_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_COUNT_FIELD_NUMBER: _ClassVar[int]
    STAGES_FIELD_NUMBER: _ClassVar[int]
    VOICE_FIELD_NUMBER: _ClassVar[int]
    VOICE_HANDLE_FIELD_NUMBER: _ClassVar[int]
    SEGMENTS_FIELD_NUMBER: _ClassVar[int]
    VOICE_HANDLE_ERROR_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    finish_reason: _common_pb2.FinishReason
    sample_count: int
    stages: _containers.RepeatedCompositeFieldContainer[_common_pb2.StageReport]
    voice: _common_pb2.HistoryPrompt
    voice_handle: str
    segments: _containers.RepeatedCompositeFieldContainer[SegmentReport]
    voice_handle_error: str
    warnings: _containers.RepeatedCompositeFieldContainer[SpeechWarning]
    def __init__(self, finish_reason: _Optional[_Union[_common_pb2.FinishReason, str]] = ..., sample_count: _Optional[int] = ..., stages: _Optional[_Iterable[_Union[_common_pb2.StageReport, _Mapping]]] = ..., voice: _Optional[_Union[_common_pb2.HistoryPrompt, _Mapping]] = ..., voice_handle: _Optional[str] = ..., segments: _Optional[_Iterable[_Union[SegmentReport, _Mapping]]] = ..., voice_handle_error: _Optional[str] = ..., warnings: _Optional[_Iterable[_Union[SpeechWarning, _Mapping]]] = ...) -> None: ...

class SpeechWarning(_message.Message):
    __slots__ = ("code", "message", "text_span")
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    TEXT_SPAN_FIELD_NUMBER: _ClassVar[int]
    code: WarningCode
    message: str
    text_span: TextSpan
    def __init__(self, code: _Optional[_Union[WarningCode, str]] = ..., message: _Optional[str] = ..., text_span: _Optional[_Union[TextSpan, _Mapping]] = ...) -> None: ...

class SegmentReport(_message.Message):
    __slots__ = ("text_span", "finish_reason", "first_sample", "sample_count", "seed", "redraws")
    TEXT_SPAN_FIELD_NUMBER: _ClassVar[int]
    FINISH_REASON_FIELD_NUMBER: _ClassVar[int]
    FIRST_SAMPLE_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_COUNT_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    REDRAWS_FIELD_NUMBER: _ClassVar[int]
    text_span: TextSpan
    finish_reason: _common_pb2.FinishReason
    first_sample: int
    sample_count: int
    seed: int
    redraws: int
    def __init__(self, text_span: _Optional[_Union[TextSpan, _Mapping]] = ..., finish_reason: _Optional[_Union[_common_pb2.FinishReason, str]] = ..., first_sample: _Optional[int] = ..., sample_count: _Optional[int] = ..., seed: _Optional[int] = ..., redraws: _Optional[int] = ...) -> None: ...

class ListVoicesRequest(_message.Message):
    __slots__ = ("language_code",)
    LANGUAGE_CODE_FIELD_NUMBER: _ClassVar[int]
    language_code: str
    def __init__(self, language_code: _Optional[str] = ...) -> None: ...

class ListVoicesResponse(_message.Message):
    __slots__ = ("voices",)
    VOICES_FIELD_NUMBER: _ClassVar[int]
    voices: _containers.RepeatedCompositeFieldContainer[Voice]
    def __init__(self, voices: _Optional[_Iterable[_Union[Voice, _Mapping]]] = ...) -> None: ...

class Voice(_message.Message):
    __slots__ = ("name", "is_default", "language_code", "description", "origin")
    NAME_FIELD_NUMBER: _ClassVar[int]
    IS_DEFAULT_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_CODE_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    name: str
    is_default: bool
    language_code: str
    description: str
    origin: VoiceOrigin
    def __init__(self, name: _Optional[str] = ..., is_default: bool = ..., language_code: _Optional[str] = ..., description: _Optional[str] = ..., origin: _Optional[_Union[VoiceOrigin, str]] = ...) -> None: ...

class GetVoiceRequest(_message.Message):
    __slots__ = ("name", "include_history_prompt")
    NAME_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_HISTORY_PROMPT_FIELD_NUMBER: _ClassVar[int]
    name: str
    include_history_prompt: bool
    def __init__(self, name: _Optional[str] = ..., include_history_prompt: bool = ...) -> None: ...

class GetVoiceResponse(_message.Message):
    __slots__ = ("voice", "history_prompt")
    VOICE_FIELD_NUMBER: _ClassVar[int]
    HISTORY_PROMPT_FIELD_NUMBER: _ClassVar[int]
    voice: Voice
    history_prompt: _common_pb2.HistoryPrompt
    def __init__(self, voice: _Optional[_Union[Voice, _Mapping]] = ..., history_prompt: _Optional[_Union[_common_pb2.HistoryPrompt, _Mapping]] = ...) -> None: ...

class CreateVoiceRequest(_message.Message):
    __slots__ = ("name", "source", "description", "language_code", "replace")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_CODE_FIELD_NUMBER: _ClassVar[int]
    REPLACE_FIELD_NUMBER: _ClassVar[int]
    name: str
    source: VoiceSelection
    description: str
    language_code: str
    replace: bool
    def __init__(self, name: _Optional[str] = ..., source: _Optional[_Union[VoiceSelection, _Mapping]] = ..., description: _Optional[str] = ..., language_code: _Optional[str] = ..., replace: bool = ...) -> None: ...

class CreateVoiceResponse(_message.Message):
    __slots__ = ("voice",)
    VOICE_FIELD_NUMBER: _ClassVar[int]
    voice: Voice
    def __init__(self, voice: _Optional[_Union[Voice, _Mapping]] = ...) -> None: ...

class DeleteVoiceRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class DeleteVoiceResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetServerInfoRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetServerInfoResponse(_message.Message):
    __slots__ = ("version", "model", "model_revision", "sample_rate_hertz", "default_voice", "encodings", "language_codes", "limits")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    MODEL_REVISION_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_RATE_HERTZ_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_VOICE_FIELD_NUMBER: _ClassVar[int]
    ENCODINGS_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_CODES_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    version: str
    model: str
    model_revision: str
    sample_rate_hertz: int
    default_voice: str
    encodings: _containers.RepeatedScalarFieldContainer[AudioEncoding]
    language_codes: _containers.RepeatedScalarFieldContainer[str]
    limits: ServerLimits
    def __init__(self, version: _Optional[str] = ..., model: _Optional[str] = ..., model_revision: _Optional[str] = ..., sample_rate_hertz: _Optional[int] = ..., default_voice: _Optional[str] = ..., encodings: _Optional[_Iterable[_Union[AudioEncoding, str]]] = ..., language_codes: _Optional[_Iterable[str]] = ..., limits: _Optional[_Union[ServerLimits, _Mapping]] = ...) -> None: ...

class ServerLimits(_message.Message):
    __slots__ = ("max_text_characters", "max_contexts", "max_streams", "max_voice_bytes", "max_stored_voices", "voice_handle_seconds", "min_sample_rate_hertz", "max_sample_rate_hertz", "min_chunk_ms", "max_chunk_ms", "min_speaking_rate", "max_speaking_rate")
    MAX_TEXT_CHARACTERS_FIELD_NUMBER: _ClassVar[int]
    MAX_CONTEXTS_FIELD_NUMBER: _ClassVar[int]
    MAX_STREAMS_FIELD_NUMBER: _ClassVar[int]
    MAX_VOICE_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_STORED_VOICES_FIELD_NUMBER: _ClassVar[int]
    VOICE_HANDLE_SECONDS_FIELD_NUMBER: _ClassVar[int]
    MIN_SAMPLE_RATE_HERTZ_FIELD_NUMBER: _ClassVar[int]
    MAX_SAMPLE_RATE_HERTZ_FIELD_NUMBER: _ClassVar[int]
    MIN_CHUNK_MS_FIELD_NUMBER: _ClassVar[int]
    MAX_CHUNK_MS_FIELD_NUMBER: _ClassVar[int]
    MIN_SPEAKING_RATE_FIELD_NUMBER: _ClassVar[int]
    MAX_SPEAKING_RATE_FIELD_NUMBER: _ClassVar[int]
    max_text_characters: int
    max_contexts: int
    max_streams: int
    max_voice_bytes: int
    max_stored_voices: int
    voice_handle_seconds: int
    min_sample_rate_hertz: int
    max_sample_rate_hertz: int
    min_chunk_ms: int
    max_chunk_ms: int
    min_speaking_rate: float
    max_speaking_rate: float
    def __init__(self, max_text_characters: _Optional[int] = ..., max_contexts: _Optional[int] = ..., max_streams: _Optional[int] = ..., max_voice_bytes: _Optional[int] = ..., max_stored_voices: _Optional[int] = ..., voice_handle_seconds: _Optional[int] = ..., min_sample_rate_hertz: _Optional[int] = ..., max_sample_rate_hertz: _Optional[int] = ..., min_chunk_ms: _Optional[int] = ..., max_chunk_ms: _Optional[int] = ..., min_speaking_rate: _Optional[float] = ..., max_speaking_rate: _Optional[float] = ...) -> None: ...
