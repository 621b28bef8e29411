"""KEDA's external scaler over gRPC: the observer's decisions in KEDA's words.

The metric of a service is how many replicas' worth of work there is, and its target is 1 a replica:
so the HPA that KEDA makes asks for the next whole number.
"""

from collections.abc import AsyncGenerator

from barkserve.autoscaler.observer import Observer, Scaling
from barkserve.errors import InvalidArgument
from barkserve.external import externalscaler_pb2 as pb2
from barkserve.external import externalscaler_pb2_grpc
from barkserve.serving.rpc_context import RpcContext
from barkserve.serving.status import abort

SERVICE_NAME = "externalscaler.ExternalScaler"
STAGE = "stage"  # the trigger's metadata key


class ScalerServicer(externalscaler_pb2_grpc.ExternalScalerServicer):
    """externalscaler.ExternalScaler."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer

    async def IsActive(
        self, request: pb2.ScaledObjectRef, context: RpcContext
    ) -> pb2.IsActiveResponse:
        """Whether there should be any replica."""
        scaling = await self._scaling(request, context)
        return pb2.IsActiveResponse(result=scaling.measured.active)

    async def StreamIsActive(
        self, request: pb2.ScaledObjectRef, context: RpcContext
    ) -> AsyncGenerator[pb2.IsActiveResponse, None]:
        """The same, pushed at each change."""
        said: bool | None = None
        while True:
            active = (await self._scaling(request, context)).measured.active
            if active != said:
                yield pb2.IsActiveResponse(result=active)
                said = active
            await self._observer.next()

    async def GetMetricSpec(
        self, request: pb2.ScaledObjectRef, context: RpcContext
    ) -> pb2.GetMetricSpecResponse:
        """One metric, of which a replica carries 1."""
        await self._scaling(request, context)
        return _spec(request)

    async def StreamMetricSpec(
        self, request: pb2.ScaledObjectRef, context: RpcContext
    ) -> AsyncGenerator[pb2.GetMetricSpecResponse, None]:
        """The same; it never changes."""
        await self._scaling(request, context)
        yield _spec(request)
        while True:
            await self._observer.next()

    async def GetMetrics(
        self, request: pb2.GetMetricsRequest, context: RpcContext
    ) -> pb2.GetMetricsResponse:
        """Replicas' worth of work."""
        scaling = await self._scaling(request.scaledObjectRef, context)
        demand = scaling.decision.demand
        value = pb2.MetricValue(
            metricName=_metric(request.scaledObjectRef),
            metricValue=round(demand),
            metricValueFloat=demand,
        )
        return pb2.GetMetricsResponse(metricValues=[value])

    async def _scaling(self, reference: pb2.ScaledObjectRef, context: RpcContext) -> Scaling:
        try:
            return self._observer.scaling(reference.scalerMetadata[STAGE])
        except InvalidArgument as error:
            await abort(context, error)


def _spec(reference: pb2.ScaledObjectRef) -> pb2.GetMetricSpecResponse:
    spec = pb2.MetricSpec(metricName=_metric(reference), targetSize=1, targetSizeFloat=1.0)
    return pb2.GetMetricSpecResponse(metricSpecs=[spec])


def _metric(reference: pb2.ScaledObjectRef) -> str:
    return f"barkserve-{reference.scalerMetadata[STAGE]}-replicas"
