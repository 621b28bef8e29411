from barkserve.v1 import common_pb2 as _common_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SemanticServiceGenerateRequest(_message.Message):
    __slots__ = ("config", "text")
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    config: SemanticConfig
    text: str
    def __init__(self, config: _Optional[_Union[SemanticConfig, _Mapping]] = ..., text: _Optional[str] = ...) -> None: ...

class SemanticConfig(_message.Message):
    __slots__ = ("semantic_prompt", "sampling", "min_eos_p", "seed", "produced", "max_tokens", "alignment", "max_tail_tokens", "speaking_rate")
    SEMANTIC_PROMPT_FIELD_NUMBER: _ClassVar[int]
    SAMPLING_FIELD_NUMBER: _ClassVar[int]
    MIN_EOS_P_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    PRODUCED_FIELD_NUMBER: _ClassVar[int]
    MAX_TOKENS_FIELD_NUMBER: _ClassVar[int]
    ALIGNMENT_FIELD_NUMBER: _ClassVar[int]
    MAX_TAIL_TOKENS_FIELD_NUMBER: _ClassVar[int]
    SPEAKING_RATE_FIELD_NUMBER: _ClassVar[int]
    semantic_prompt: _containers.RepeatedScalarFieldContainer[int]
    sampling: _common_pb2.Sampling
    min_eos_p: float
    seed: int
    produced: _containers.RepeatedScalarFieldContainer[int]
    max_tokens: int
    alignment: bool
    max_tail_tokens: int
    speaking_rate: float
    def __init__(self, semantic_prompt: _Optional[_Iterable[int]] = ..., sampling: _Optional[_Union[_common_pb2.Sampling, _Mapping]] = ..., min_eos_p: _Optional[float] = ..., seed: _Optional[int] = ..., produced: _Optional[_Iterable[int]] = ..., max_tokens: _Optional[int] = ..., alignment: bool = ..., max_tail_tokens: _Optional[int] = ..., speaking_rate: _Optional[float] = ...) -> None: ...

class SemanticServiceGenerateResponse(_message.Message):
    __slots__ = ("tokens", "finished")
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    FINISHED_FIELD_NUMBER: _ClassVar[int]
    tokens: SemanticTokens
    finished: SemanticFinished
    def __init__(self, tokens: _Optional[_Union[SemanticTokens, _Mapping]] = ..., finished: _Optional[_Union[SemanticFinished, _Mapping]] = ...) -> None: ...

class SemanticTokens(_message.Message):
    __slots__ = ("tokens", "characters")
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    CHARACTERS_FIELD_NUMBER: _ClassVar[int]
    tokens: _containers.RepeatedScalarFieldContainer[int]
    characters: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, tokens: _Optional[_Iterable[int]] = ..., characters: _Optional[_Iterable[int]] = ...) -> None: ...

class SemanticFinished(_message.Message):
    __slots__ = ("finish_reason", "report", "skipped")
    FINISH_REASON_FIELD_NUMBER: _ClassVar[int]
    REPORT_FIELD_NUMBER: _ClassVar[int]
    SKIPPED_FIELD_NUMBER: _ClassVar[int]
    finish_reason: _common_pb2.FinishReason
    report: _common_pb2.StageReport
    skipped: _containers.RepeatedCompositeFieldContainer[CharacterSpan]
    def __init__(self, finish_reason: _Optional[_Union[_common_pb2.FinishReason, str]] = ..., report: _Optional[_Union[_common_pb2.StageReport, _Mapping]] = ..., skipped: _Optional[_Iterable[_Union[CharacterSpan, _Mapping]]] = ...) -> None: ...

class CharacterSpan(_message.Message):
    __slots__ = ("start", "end")
    START_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    start: int
    end: int
    def __init__(self, start: _Optional[int] = ..., end: _Optional[int] = ...) -> None: ...
