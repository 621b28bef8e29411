"""The tables of `barkclient status`, as lines of text."""

from collections.abc import Iterator, Sequence

from barkserve.v1 import autoscaler_pb2, status_pb2

Row = tuple[str, ...]

_REPLICA_HEAD: Row = (
    "service", "replica", "state", "streams", "slots free", "queue", "burst", "backlog", "busy",
    "version",
)  # fmt: skip
_SCALING_HEAD: Row = ("service", "replicas", "wanted", "demand", "reason")


def replica_lines(replicas: Sequence[status_pb2.ReplicaStatus]) -> Iterator[str]:
    """Yield a table of replicas, and a line for each one whose state has a known reason."""
    yield from _table(_REPLICA_HEAD, [_replica_row(each) for each in replicas])
    for each in replicas:
        if each.reason:
            yield f"{each.service} {each.address} is {_state(each.state)}: {each.reason}"


def scaling_lines(services: Sequence[autoscaler_pb2.ServiceScaling]) -> Iterator[str]:
    """Yield a table of the numbers of replicas, with their reasons."""
    yield from _table(_SCALING_HEAD, [_scaling_row(each) for each in services])


def _replica_row(replica: status_pb2.ReplicaStatus) -> Row:
    return (
        replica.service,
        replica.address,
        _state(replica.state),
        f"{replica.streams}/{replica.capacity}",
        f"{replica.slots_free}/{replica.slots}",
        str(replica.queue),
        f"{1000 * replica.burst_seconds:.1f} ms" if replica.burst_seconds else "-",
        f"{replica.backlog_seconds:.1f} s",
        f"{replica.busy:.0%}",
        replica.version or "-",
    )


def _state(state: status_pb2.ReplicaStatus.State) -> str:
    return status_pb2.ReplicaStatus.State.Name(state).removeprefix("STATE_").lower()


def _scaling_row(service: autoscaler_pb2.ServiceScaling) -> Row:
    return (
        service.service,
        str(len(service.replicas)),
        str(service.wanted_replicas),
        f"{service.demand:.2f}",
        service.reason,
    )


def _table(head: Row, rows: Sequence[Row]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    for row in (head, *rows):
        yield "  ".join(map(str.ljust, row, widths)).rstrip()
