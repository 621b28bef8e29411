"""`barkclient status`: the replicas that the orchestrator knows, or the autoscaler's decisions."""

import json
from collections.abc import Sequence

import grpc
from google.protobuf.json_format import MessageToDict

from barkclient._internal.channel import open_channel
from barkclient._internal.token import check_token, with_token
from barkclient.cli.status_arguments import StatusArguments
from barkclient.errors import map_errors
from barkclient.http_proxy import described
from barkserve.v1 import autoscaler_pb2, autoscaler_pb2_grpc, status_pb2, status_pb2_grpc

_REPLICA_HEAD: tuple[str, ...] = (
    "service", "replica", "state", "streams", "slots free", "queue", "backlog", "busy",
)  # fmt: skip
_SCALING_HEAD: tuple[str, ...] = ("service", "replicas", "wanted", "demand", "reason")


def status(arguments: StatusArguments) -> None:
    """Print a table, or one line of JSON."""
    response: status_pb2.GetStatusResponse | autoscaler_pb2.GetScalingResponse
    if arguments.scaling:
        response = _scaling(arguments)
        head, rows = _SCALING_HEAD, _scaling_rows(response)
    else:
        response = _replicas(arguments)
        head, rows = _REPLICA_HEAD, _replica_rows(response.replicas)
    if arguments.json:
        print(json.dumps(MessageToDict(response, preserving_proto_field_name=True)))
        return
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    for row in (head, *rows):
        print("  ".join(map(str.ljust, row, widths)).rstrip())


def _replicas(arguments: StatusArguments) -> status_pb2.GetStatusResponse:
    request = status_pb2.GetStatusRequest()
    with (
        _open_channel(arguments, arguments.server) as channel,
        map_errors(described(arguments.server, arguments.grpc_proxy)),
    ):
        stub = status_pb2_grpc.StatusServiceStub(with_token(channel, arguments.token))
        return stub.GetStatus(request, timeout=arguments.timeout)


def _scaling(arguments: StatusArguments) -> autoscaler_pb2.GetScalingResponse:
    request = autoscaler_pb2.GetScalingRequest()
    with (
        _open_channel(arguments, arguments.autoscaler) as channel,
        map_errors(
            described(arguments.autoscaler, arguments.grpc_proxy), starter="barkserve autoscaler"
        ),
    ):
        stub = autoscaler_pb2_grpc.AutoscalerServiceStub(with_token(channel, arguments.token))
        return stub.GetScaling(request, timeout=arguments.timeout)


def _open_channel(arguments: StatusArguments, target: str) -> grpc.Channel:
    tls = arguments.tls_settings()
    check_token(arguments.token, target, tls, insecure=arguments.insecure)
    return open_channel(target, tls, arguments.grpc_proxy)


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
