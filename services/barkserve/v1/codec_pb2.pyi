from barkserve.v1 import common_pb2 as _common_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class DecodeRequest(_message.Message):
    __slots__ = ("config", "frames")
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    FRAMES_FIELD_NUMBER: _ClassVar[int]
    config: CodecConfig
    frames: FineInput
    def __init__(self, config: _Optional[_Union[CodecConfig, _Mapping]] = ..., frames: _Optional[_Union[FineInput, _Mapping]] = ...) -> None: ...

class FineInput(_message.Message):
    __slots__ = ("codes",)
    CODES_FIELD_NUMBER: _ClassVar[int]
    codes: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, codes: _Optional[_Iterable[int]] = ...) -> None: ...

class CodecConfig(_message.Message):
    __slots__ = ("produced_samples", "speaking_rate")
    PRODUCED_SAMPLES_FIELD_NUMBER: _ClassVar[int]
    SPEAKING_RATE_FIELD_NUMBER: _ClassVar[int]
    produced_samples: int
    speaking_rate: float
    def __init__(self, produced_samples: _Optional[int] = ..., speaking_rate: _Optional[float] = ...) -> None: ...

class DecodeResponse(_message.Message):
    __slots__ = ("samples", "finished")
    SAMPLES_FIELD_NUMBER: _ClassVar[int]
    FINISHED_FIELD_NUMBER: _ClassVar[int]
    samples: Samples
    finished: CodecFinished
    def __init__(self, samples: _Optional[_Union[Samples, _Mapping]] = ..., finished: _Optional[_Union[CodecFinished, _Mapping]] = ...) -> None: ...

class Samples(_message.Message):
    __slots__ = ("pcm", "sample_rate_hertz")
    PCM_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_RATE_HERTZ_FIELD_NUMBER: _ClassVar[int]
    pcm: bytes
    sample_rate_hertz: int
    def __init__(self, pcm: _Optional[bytes] = ..., sample_rate_hertz: _Optional[int] = ...) -> None: ...

class CodecFinished(_message.Message):
    __slots__ = ("report",)
    REPORT_FIELD_NUMBER: _ClassVar[int]
    report: _common_pb2.StageReport
    def __init__(self, report: _Optional[_Union[_common_pb2.StageReport, _Mapping]] = ...) -> None: ...
