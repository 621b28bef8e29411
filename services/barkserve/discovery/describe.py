"""Converts replicas and loads to messages of StatusService."""

import time

from barkserve.discovery.replica import Replica
from barkserve.serving.load import Load
from barkserve.v1 import status_pb2


def describe(service: str, replica: Replica) -> status_pb2.ReplicaStatus:
    """The current state and load of a replica."""
    status = describe_load(service, replica.address, replica.load or Load(), replica.busy)
    status.state = _state(replica)
    status.burst_seconds = replica.burst_s
    status.version = replica.version
    status.reason = _reason(replica)
    status.clock_offset_seconds = replica.clock_offset_s
    return status


def describe_load(
    service: str, address: str, load: Load, busy: float = 0.0
) -> status_pb2.ReplicaStatus:
    """The load of a replica that is ready.

    Args:
        service: the name of the service.
        address: host:port of the replica.
        load: its load.
        busy: share of the last seconds in which its model computed, 0 to 1.
    """
    return status_pb2.ReplicaStatus(
        service=service,
        address=address,
        state=status_pb2.ReplicaStatus.STATE_READY,
        streams=round(load.streams),
        capacity=round(load.capacity),
        slots=round(load.slots),
        slots_free=round(load.slots_free),
        queue=round(load.queue),
        backlog_seconds=load.backlog_seconds,
        busy=busy,
    )


def _state(replica: Replica) -> status_pb2.ReplicaStatus.State:
    if replica.draining:
        return status_pb2.ReplicaStatus.STATE_DRAINING
    if replica.silent or replica.stale:
        return status_pb2.ReplicaStatus.STATE_SILENT
    if replica.avoided_until > time.monotonic():
        return status_pb2.ReplicaStatus.STATE_AVOIDED
    return status_pb2.ReplicaStatus.STATE_READY


def _reason(replica: Replica) -> str:
    """Why a replica is not ready; empty if it is, or if nothing is known."""
    if replica.stale:
        return "it stopped sending load reports"
    if replica.silent:
        return replica.unreachable
    if replica.avoided_until > time.monotonic():
        return f"{replica.failures} streams in a row failed on it"
    return ""
