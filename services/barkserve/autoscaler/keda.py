"""KEDA's external scaler over gRPC, from the decisions of the observer.

The metric of a service is its demand in replicas, and its target is 1 per replica. The HPA that
KEDA creates therefore asks for the demand, rounded up.
"""

from collections.abc import AsyncGenerator

from barkserve.autoscaler.observer import Observer, Scaling
from barkserve.external import externalscaler_pb2 as pb2
from barkserve.external import externalscaler_pb2_grpc
from barkserve.serving.rpc_context import RpcContext

STAGE = "stage"  # the key in the metadata of the trigger


class ScalerServicer(externalscaler_pb2_grpc.ExternalScalerServicer):
    """externalscaler.ExternalScaler.

    Args:
        observer: decides for every service.
    """

    def __init__(self, observer: Observer) -> None:
        self._observer = observer

    async def IsActive(
        self, request: pb2.ScaledObjectRef, context: RpcContext
    ) -> pb2.IsActiveResponse:
        """Answer whether the service should have any replica."""
        scaling = self._scaling(request)
        return pb2.IsActiveResponse(result=scaling.measured.active)

    async def StreamIsActive(
        self, request: pb2.ScaledObjectRef, context: RpcContext
    ) -> AsyncGenerator[pb2.IsActiveResponse, None]:
        """Push the answer of IsActive after each change."""
        said: bool | None = None
        while True:
            active = self._scaling(request).measured.active
            if active != said:
                yield pb2.IsActiveResponse(result=active)
                said = active
            await self._observer.next()

    async def GetMetricSpec(
        self, request: pb2.ScaledObjectRef, context: RpcContext
    ) -> pb2.GetMetricSpecResponse:
        """Describe the metric, whose target is 1 per replica."""
        self._scaling(request)
        return _spec(request)

    async def StreamMetricSpec(
        self, request: pb2.ScaledObjectRef, context: RpcContext
    ) -> AsyncGenerator[pb2.GetMetricSpecResponse, None]:
        """Send the answer of GetMetricSpec, which never changes."""
        self._scaling(request)
        yield _spec(request)
        while True:
            await self._observer.next()

    async def GetMetrics(
        self, request: pb2.GetMetricsRequest, context: RpcContext
    ) -> pb2.GetMetricsResponse:
        """Send the demand in replicas."""
        scaling = self._scaling(request.scaledObjectRef)
        demand = scaling.decision.demand
        value = pb2.MetricValue(
            metricName=_metric(request.scaledObjectRef),
            metricValue=round(demand),
            metricValueFloat=demand,
        )
        return pb2.GetMetricsResponse(metricValues=[value])

    def _scaling(self, reference: pb2.ScaledObjectRef) -> Scaling:
        return self._observer.scaling(reference.scalerMetadata[STAGE])


def _spec(reference: pb2.ScaledObjectRef) -> pb2.GetMetricSpecResponse:
    spec = pb2.MetricSpec(metricName=_metric(reference), targetSize=1, targetSizeFloat=1.0)
    return pb2.GetMetricSpecResponse(metricSpecs=[spec])


def _metric(reference: pb2.ScaledObjectRef) -> str:
    return f"barkserve-{reference.scalerMetadata[STAGE]}-replicas"
