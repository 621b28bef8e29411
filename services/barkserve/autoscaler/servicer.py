"""AutoscalerService over gRPC, and the same numbers for Prometheus.

Both explain the number of replicas that each service should have.
"""

from functools import partial

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
    for service in observer.services:
        metrics.watch("barkserve_demand_replicas", partial(_demand, observer, service), service)
        metrics.watch("barkserve_wanted_replicas", partial(_wanted, observer, service), service)


def _demand(observer: Observer, service: str) -> float:
    return observer.services[service].decision.demand


def _wanted(observer: Observer, service: str) -> float:
    return observer.services[service].decision.wanted
