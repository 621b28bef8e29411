from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GetStatusRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetStatusResponse(_message.Message):
    __slots__ = ("replicas", "unix_seconds")
    REPLICAS_FIELD_NUMBER: _ClassVar[int]
    UNIX_SECONDS_FIELD_NUMBER: _ClassVar[int]
    replicas: _containers.RepeatedCompositeFieldContainer[ReplicaStatus]
    unix_seconds: float
    def __init__(self, replicas: _Optional[_Iterable[_Union[ReplicaStatus, _Mapping]]] = ..., unix_seconds: _Optional[float] = ...) -> None: ...

class ReplicaStatus(_message.Message):
    __slots__ = ("service", "address", "state", "streams", "capacity", "slots", "slots_free", "queue", "backlog_seconds", "busy", "burst_seconds", "version", "reason", "clock_offset_seconds")
    class State(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STATE_UNSPECIFIED: _ClassVar[ReplicaStatus.State]
        STATE_READY: _ClassVar[ReplicaStatus.State]
        STATE_DRAINING: _ClassVar[ReplicaStatus.State]
        STATE_AVOIDED: _ClassVar[ReplicaStatus.State]
        STATE_SILENT: _ClassVar[ReplicaStatus.State]
    STATE_UNSPECIFIED: ReplicaStatus.State
    STATE_READY: ReplicaStatus.State
    STATE_DRAINING: ReplicaStatus.State
    STATE_AVOIDED: ReplicaStatus.State
    STATE_SILENT: ReplicaStatus.State
    SERVICE_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    STREAMS_FIELD_NUMBER: _ClassVar[int]
    CAPACITY_FIELD_NUMBER: _ClassVar[int]
    SLOTS_FIELD_NUMBER: _ClassVar[int]
    SLOTS_FREE_FIELD_NUMBER: _ClassVar[int]
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    BACKLOG_SECONDS_FIELD_NUMBER: _ClassVar[int]
    BUSY_FIELD_NUMBER: _ClassVar[int]
    BURST_SECONDS_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    CLOCK_OFFSET_SECONDS_FIELD_NUMBER: _ClassVar[int]
    service: str
    address: str
    state: ReplicaStatus.State
    streams: int
    capacity: int
    slots: int
    slots_free: int
    queue: int
    backlog_seconds: float
    busy: float
    burst_seconds: float
    version: str
    reason: str
    clock_offset_seconds: float
    def __init__(self, service: _Optional[str] = ..., address: _Optional[str] = ..., state: _Optional[_Union[ReplicaStatus.State, str]] = ..., streams: _Optional[int] = ..., capacity: _Optional[int] = ..., slots: _Optional[int] = ..., slots_free: _Optional[int] = ..., queue: _Optional[int] = ..., backlog_seconds: _Optional[float] = ..., busy: _Optional[float] = ..., burst_seconds: _Optional[float] = ..., version: _Optional[str] = ..., reason: _Optional[str] = ..., clock_offset_seconds: _Optional[float] = ...) -> None: ...
