"""AutoscalerService over gRPC, and the same numbers for Prometheus.

Both explain the number of replicas that each service should have.
"""

from collections.abc import Callable

from prometheus_client import Gauge

from barkserve.autoscaler.observer import Observer, Scaling
from barkserve.discovery.describe import describe
from barkserve.serving.metrics import Metrics
from barkserve.serving.rpc_context import RpcContext
from barkserve.v1 import autoscaler_pb2, autoscaler_pb2_grpc


class AutoscalerServicer(autoscaler_pb2_grpc.AutoscalerServiceServicer):
    """barkserve.v1.AutoscalerService.

    Args:
        observer: decides for every service.
    """

    def __init__(self, observer: Observer) -> None:
        self._observer = observer

    async def GetScaling(
        self, request: autoscaler_pb2.GetScalingRequest, context: RpcContext
    ) -> autoscaler_pb2.GetScalingResponse:
        """Send the decision for every service."""
        services = self._observer.services.items()
        return autoscaler_pb2.GetScalingResponse(
            services=[_message(service, scaling) for service, scaling in services]
        )


def _message(service: str, scaling: Scaling) -> autoscaler_pb2.ServiceScaling:
    measured, decision = scaling.measured, scaling.decision
    return autoscaler_pb2.ServiceScaling(
        service=service,
        wanted_replicas=decision.wanted,
        demand=decision.demand,
        active=measured.active,
        streams=measured.streams,
        cost_seconds=measured.cost_s,
        streams_per_replica=decision.streams_per_replica,
        backlog_seconds=measured.backlog_s,
        reason=decision.reason,
        replicas=[describe(service, replica) for replica in scaling.replicas],
    )


def watch_scaling(metrics: Metrics, observer: Observer) -> None:
    """Add gauges with the numbers that KEDA gets."""
    _gauge(metrics, observer, "demand_replicas", "Work, in replicas", _demand)
    _gauge(metrics, observer, "wanted_replicas", "Replicas that the service should have", _wanted)


def _demand(scaling: Scaling) -> float:
    return scaling.decision.demand


def _wanted(scaling: Scaling) -> float:
    return scaling.decision.wanted


def _gauge(
    metrics: Metrics,
    observer: Observer,
    name: str,
    description: str,
    read: Callable[[Scaling], float],
) -> None:
    gauge = Gauge(f"barkserve_{name}", description, ["service"], registry=metrics.registry)

    def reader(service: str) -> Callable[[], float]:
        return lambda: read(observer.services[service])

    for service in observer.services:
        gauge.labels(service).set_function(reader(service))
