"""`barkclient status`: the replicas that the orchestrator knows, or the autoscaler's decisions."""

import json
from collections.abc import Sequence
from typing import Any

from google.protobuf.json_format import MessageToDict

from barkclient._internal.channel import open_channel
from barkclient.cli.status_arguments import StatusArguments
from barkclient.errors import map_errors
from barkserve.v1 import autoscaler_pb2, autoscaler_pb2_grpc, status_pb2, status_pb2_grpc

_REPLICA_HEAD = (
    "service", "replica", "state", "streams", "slots free", "queue", "backlog", "busy",
)  # fmt: skip
_SCALING_HEAD = ("service", "replicas", "wanted", "demand", "reason")


def status(arguments: StatusArguments) -> None:
    """Print a table, or one line of JSON."""
    response = _scaling(arguments) if arguments.scaling else _replicas(arguments)
    if arguments.json:
        print(json.dumps(MessageToDict(response, preserving_proto_field_name=True)))
        return
    rows = _scaling_rows(response) if arguments.scaling else _replica_rows(response.replicas)
    head = _SCALING_HEAD if arguments.scaling else _REPLICA_HEAD
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    for row in (head, *rows):
        print("  ".join(map(str.ljust, row, widths)).rstrip())


def _replicas(arguments: StatusArguments) -> Any:
    make: Any = status_pb2_grpc.StatusServiceStub
    request = status_pb2.GetStatusRequest()
    with (
        open_channel(arguments.server, arguments.tls_settings()) as channel,
        map_errors(arguments.server),
    ):
        return make(channel).GetStatus(request, timeout=arguments.timeout)


def _scaling(arguments: StatusArguments) -> Any:
    make: Any = autoscaler_pb2_grpc.AutoscalerServiceStub
    request = autoscaler_pb2.GetScalingRequest()
    with (
        open_channel(arguments.autoscaler, arguments.tls_settings()) as channel,
        map_errors(arguments.autoscaler, starter="barkserve autoscaler"),
    ):
        return make(channel).GetScaling(request, timeout=arguments.timeout)


def _replica_rows(
    replicas: Sequence[status_pb2.ReplicaStatus],
) -> list[tuple[str, ...]]:
    return [
        (
            replica.service,
            replica.address,
            _state(replica.state),
            f"{replica.streams}/{replica.capacity}",
            f"{replica.slots_free}/{replica.slots}",
            str(replica.queue),
            f"{replica.backlog_seconds:.1f} s",
            f"{replica.busy:.0%}",
        )
        for replica in replicas
    ]


def _state(state: status_pb2.ReplicaStatus.State) -> str:
    return status_pb2.ReplicaStatus.State.Name(state).removeprefix("STATE_").lower()


def _scaling_rows(response: autoscaler_pb2.GetScalingResponse) -> list[tuple[str, ...]]:
    return [
        (
            service.service,
            str(len(service.replicas)),
            str(service.wanted_replicas),
            f"{service.demand:.2f}",
            service.reason,
        )
        for service in response.services
    ]
