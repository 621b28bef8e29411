from barkserve.v1 import common_pb2 as _common_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class FineServiceGenerateRequest(_message.Message):
    __slots__ = ("config", "coarse")
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    COARSE_FIELD_NUMBER: _ClassVar[int]
    config: FineConfig
    coarse: CoarseInput
    def __init__(self, config: _Optional[_Union[FineConfig, _Mapping]] = ..., coarse: _Optional[_Union[CoarseInput, _Mapping]] = ...) -> None: ...

class CoarseInput(_message.Message):
    __slots__ = ("codes",)
    CODES_FIELD_NUMBER: _ClassVar[int]
    codes: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, codes: _Optional[_Iterable[int]] = ...) -> None: ...

class FineConfig(_message.Message):
    __slots__ = ("fine_prompt", "sampling", "seed", "delivery_mode", "lookahead_frames", "produced", "speaking_rate", "chunk_plan")
    FINE_PROMPT_FIELD_NUMBER: _ClassVar[int]
    SAMPLING_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    DELIVERY_MODE_FIELD_NUMBER: _ClassVar[int]
    LOOKAHEAD_FRAMES_FIELD_NUMBER: _ClassVar[int]
    PRODUCED_FIELD_NUMBER: _ClassVar[int]
    SPEAKING_RATE_FIELD_NUMBER: _ClassVar[int]
    CHUNK_PLAN_FIELD_NUMBER: _ClassVar[int]
    fine_prompt: _containers.RepeatedScalarFieldContainer[int]
    sampling: _common_pb2.Sampling
    seed: int
    delivery_mode: _common_pb2.DeliveryMode
    lookahead_frames: int
    produced: _containers.RepeatedScalarFieldContainer[int]
    speaking_rate: float
    chunk_plan: _common_pb2.ChunkPlan
    def __init__(self, fine_prompt: _Optional[_Iterable[int]] = ..., sampling: _Optional[_Union[_common_pb2.Sampling, _Mapping]] = ..., seed: _Optional[int] = ..., delivery_mode: _Optional[_Union[_common_pb2.DeliveryMode, str]] = ..., lookahead_frames: _Optional[int] = ..., produced: _Optional[_Iterable[int]] = ..., speaking_rate: _Optional[float] = ..., chunk_plan: _Optional[_Union[_common_pb2.ChunkPlan, _Mapping]] = ...) -> None: ...

class FineServiceGenerateResponse(_message.Message):
    __slots__ = ("frames", "finished")
    FRAMES_FIELD_NUMBER: _ClassVar[int]
    FINISHED_FIELD_NUMBER: _ClassVar[int]
    frames: FineFrames
    finished: FineFinished
    def __init__(self, frames: _Optional[_Union[FineFrames, _Mapping]] = ..., finished: _Optional[_Union[FineFinished, _Mapping]] = ...) -> None: ...

class FineFrames(_message.Message):
    __slots__ = ("codes",)
    CODES_FIELD_NUMBER: _ClassVar[int]
    codes: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, codes: _Optional[_Iterable[int]] = ...) -> None: ...

class FineFinished(_message.Message):
    __slots__ = ("report",)
    REPORT_FIELD_NUMBER: _ClassVar[int]
    report: _common_pb2.StageReport
    def __init__(self, report: _Optional[_Union[_common_pb2.StageReport, _Mapping]] = ...) -> None: ...
