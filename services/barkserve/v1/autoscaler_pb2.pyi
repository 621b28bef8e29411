from barkserve.v1 import status_pb2 as _status_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GetScalingRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetScalingResponse(_message.Message):
    __slots__ = ("services",)
    SERVICES_FIELD_NUMBER: _ClassVar[int]
    services: _containers.RepeatedCompositeFieldContainer[ServiceScaling]
    def __init__(self, services: _Optional[_Iterable[_Union[ServiceScaling, _Mapping]]] = ...) -> None: ...

class ServiceScaling(_message.Message):
    __slots__ = ("service", "wanted_replicas", "demand", "active", "streams", "cost_seconds", "streams_per_replica", "backlog_seconds", "reason", "replicas")
    SERVICE_FIELD_NUMBER: _ClassVar[int]
    WANTED_REPLICAS_FIELD_NUMBER: _ClassVar[int]
    DEMAND_FIELD_NUMBER: _ClassVar[int]
    ACTIVE_FIELD_NUMBER: _ClassVar[int]
    STREAMS_FIELD_NUMBER: _ClassVar[int]
    COST_SECONDS_FIELD_NUMBER: _ClassVar[int]
    STREAMS_PER_REPLICA_FIELD_NUMBER: _ClassVar[int]
    BACKLOG_SECONDS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    REPLICAS_FIELD_NUMBER: _ClassVar[int]
    service: str
    wanted_replicas: int
    demand: float
    active: bool
    streams: int
    cost_seconds: float
    streams_per_replica: float
    backlog_seconds: float
    reason: str
    replicas: _containers.RepeatedCompositeFieldContainer[_status_pb2.ReplicaStatus]
    def __init__(self, service: _Optional[str] = ..., wanted_replicas: _Optional[int] = ..., demand: _Optional[float] = ..., active: bool = ..., streams: _Optional[int] = ..., cost_seconds: _Optional[float] = ..., streams_per_replica: _Optional[float] = ..., backlog_seconds: _Optional[float] = ..., reason: _Optional[str] = ..., replicas: _Optional[_Iterable[_Union[_status_pb2.ReplicaStatus, _Mapping]]] = ...) -> None: ...
