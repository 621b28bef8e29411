from barkserve.v1 import common_pb2 as _common_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CoarseServiceGenerateRequest(_message.Message):
    __slots__ = ("config", "semantic")
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    SEMANTIC_FIELD_NUMBER: _ClassVar[int]
    config: CoarseConfig
    semantic: SemanticInput
    def __init__(self, config: _Optional[_Union[CoarseConfig, _Mapping]] = ..., semantic: _Optional[_Union[SemanticInput, _Mapping]] = ...) -> None: ...

class SemanticInput(_message.Message):
    __slots__ = ("tokens",)
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    tokens: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, tokens: _Optional[_Iterable[int]] = ...) -> None: ...

class CoarseConfig(_message.Message):
    __slots__ = ("semantic_prompt", "coarse_prompt", "sampling", "seed", "produced", "speaking_rate")
    SEMANTIC_PROMPT_FIELD_NUMBER: _ClassVar[int]
    COARSE_PROMPT_FIELD_NUMBER: _ClassVar[int]
    SAMPLING_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    PRODUCED_FIELD_NUMBER: _ClassVar[int]
    SPEAKING_RATE_FIELD_NUMBER: _ClassVar[int]
    semantic_prompt: _containers.RepeatedScalarFieldContainer[int]
    coarse_prompt: _containers.RepeatedScalarFieldContainer[int]
    sampling: _common_pb2.Sampling
    seed: int
    produced: _containers.RepeatedScalarFieldContainer[int]
    speaking_rate: float
    def __init__(self, semantic_prompt: _Optional[_Iterable[int]] = ..., coarse_prompt: _Optional[_Iterable[int]] = ..., sampling: _Optional[_Union[_common_pb2.Sampling, _Mapping]] = ..., seed: _Optional[int] = ..., produced: _Optional[_Iterable[int]] = ..., speaking_rate: _Optional[float] = ...) -> None: ...

class CoarseServiceGenerateResponse(_message.Message):
    __slots__ = ("frames", "finished")
    FRAMES_FIELD_NUMBER: _ClassVar[int]
    FINISHED_FIELD_NUMBER: _ClassVar[int]
    frames: CoarseFrames
    finished: CoarseFinished
    def __init__(self, frames: _Optional[_Union[CoarseFrames, _Mapping]] = ..., finished: _Optional[_Union[CoarseFinished, _Mapping]] = ...) -> None: ...

class CoarseFrames(_message.Message):
    __slots__ = ("codes",)
    CODES_FIELD_NUMBER: _ClassVar[int]
    codes: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, codes: _Optional[_Iterable[int]] = ...) -> None: ...

class CoarseFinished(_message.Message):
    __slots__ = ("report",)
    REPORT_FIELD_NUMBER: _ClassVar[int]
    report: _common_pb2.StageReport
    def __init__(self, report: _Optional[_Union[_common_pb2.StageReport, _Mapping]] = ...) -> None: ...
