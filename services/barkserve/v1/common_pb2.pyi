from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class DeliveryMode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DELIVERY_MODE_UNSPECIFIED: _ClassVar[DeliveryMode]
    DELIVERY_MODE_STREAMING: _ClassVar[DeliveryMode]
    DELIVERY_MODE_EXACT: _ClassVar[DeliveryMode]

class FinishReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FINISH_REASON_UNSPECIFIED: _ClassVar[FinishReason]
    FINISH_REASON_STOP: _ClassVar[FinishReason]
    FINISH_REASON_LENGTH: _ClassVar[FinishReason]
    FINISH_REASON_SILENCE: _ClassVar[FinishReason]
    FINISH_REASON_CANCELLED: _ClassVar[FinishReason]
DELIVERY_MODE_UNSPECIFIED: DeliveryMode
DELIVERY_MODE_STREAMING: DeliveryMode
DELIVERY_MODE_EXACT: DeliveryMode
FINISH_REASON_UNSPECIFIED: FinishReason
FINISH_REASON_STOP: FinishReason
FINISH_REASON_LENGTH: FinishReason
FINISH_REASON_SILENCE: FinishReason
FINISH_REASON_CANCELLED: FinishReason

class HistoryPrompt(_message.Message):
    __slots__ = ("semantic_prompt", "coarse_prompt", "fine_prompt")
    SEMANTIC_PROMPT_FIELD_NUMBER: _ClassVar[int]
    COARSE_PROMPT_FIELD_NUMBER: _ClassVar[int]
    FINE_PROMPT_FIELD_NUMBER: _ClassVar[int]
    semantic_prompt: _containers.RepeatedScalarFieldContainer[int]
    coarse_prompt: _containers.RepeatedScalarFieldContainer[int]
    fine_prompt: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, semantic_prompt: _Optional[_Iterable[int]] = ..., coarse_prompt: _Optional[_Iterable[int]] = ..., fine_prompt: _Optional[_Iterable[int]] = ...) -> None: ...

class Sampling(_message.Message):
    __slots__ = ("temperature", "top_k", "top_p", "greedy")
    TEMPERATURE_FIELD_NUMBER: _ClassVar[int]
    TOP_K_FIELD_NUMBER: _ClassVar[int]
    TOP_P_FIELD_NUMBER: _ClassVar[int]
    GREEDY_FIELD_NUMBER: _ClassVar[int]
    temperature: float
    top_k: int
    top_p: float
    greedy: bool
    def __init__(self, temperature: _Optional[float] = ..., top_k: _Optional[int] = ..., top_p: _Optional[float] = ..., greedy: bool = ...) -> None: ...

class ChunkPlan(_message.Message):
    __slots__ = ("first_frames", "growth", "max_frames", "lookahead_frames")
    FIRST_FRAMES_FIELD_NUMBER: _ClassVar[int]
    GROWTH_FIELD_NUMBER: _ClassVar[int]
    MAX_FRAMES_FIELD_NUMBER: _ClassVar[int]
    LOOKAHEAD_FRAMES_FIELD_NUMBER: _ClassVar[int]
    first_frames: int
    growth: float
    max_frames: int
    lookahead_frames: int
    def __init__(self, first_frames: _Optional[int] = ..., growth: _Optional[float] = ..., max_frames: _Optional[int] = ..., lookahead_frames: _Optional[int] = ...) -> None: ...

class StageReport(_message.Message):
    __slots__ = ("output_count", "queue_ms", "compute_ms", "stage", "first_output_ms", "last_output_ms")
    OUTPUT_COUNT_FIELD_NUMBER: _ClassVar[int]
    QUEUE_MS_FIELD_NUMBER: _ClassVar[int]
    COMPUTE_MS_FIELD_NUMBER: _ClassVar[int]
    STAGE_FIELD_NUMBER: _ClassVar[int]
    FIRST_OUTPUT_MS_FIELD_NUMBER: _ClassVar[int]
    LAST_OUTPUT_MS_FIELD_NUMBER: _ClassVar[int]
    output_count: int
    queue_ms: float
    compute_ms: float
    stage: str
    first_output_ms: float
    last_output_ms: float
    def __init__(self, output_count: _Optional[int] = ..., queue_ms: _Optional[float] = ..., compute_ms: _Optional[float] = ..., stage: _Optional[str] = ..., first_output_ms: _Optional[float] = ..., last_output_ms: _Optional[float] = ...) -> None: ...
