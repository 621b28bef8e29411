"""Builds the autoscaler: how many replicas each service should have, for KEDA, Prometheus and
people. Needs no torch.
"""

from collections.abc import Sequence

from barkserve.autoscaler import keda
from barkserve.autoscaler.decision import Policy
from barkserve.autoscaler.observer import ORCHESTRATOR, Observer
from barkserve.autoscaler.servicer import AutoscalerServicer, watch_scaling
from barkserve.config import PORTS, AutoscalerOptions
from barkserve.constants import STAGES
from barkserve.discovery.replica_set import ReplicaSet
from barkserve.discovery.spec import resolver_of
from barkserve.errors import StartupError
from barkserve.external import externalscaler_pb2_grpc
from barkserve.serving.metrics import Metrics
from barkserve.serving.server import Service, register_with
from barkserve.v1 import autoscaler_pb2_grpc
from barkserve.wiring import dialer_of


def build(options: AutoscalerOptions, metrics: Metrics) -> Service:
    """The service; it connects to the others when it starts."""
    dialer = dialer_of(options)
    services: Sequence[str] = (ORCHESTRATOR, *STAGES)
    sets = {
        name: ReplicaSet(
            name, resolver_of(f"--{name}", getattr(options, name), PORTS[name]), dialer
        )
        for name in services
    }
    if not (0 < options.target_utilization <= 1 and options.assumed_streams > 0):
        raise StartupError(
            "--target-utilization must be above 0 and at most 1, --assumed-streams above 0"
        )
    policy = Policy(options.target_utilization, options.assumed_streams)
    observer = Observer(sets, policy, options.idle_seconds)
    watch_scaling(metrics, observer)
    explaining = Service(
        "barkserve.v1.AutoscalerService",
        register_with(
            autoscaler_pb2_grpc.add_AutoscalerServiceServicer_to_server,
            AutoscalerServicer(observer),
        ),
    )
    register = register_with(
        externalscaler_pb2_grpc.add_ExternalScalerServicer_to_server, keda.ScalerServicer(observer)
    )
    return Service(
        keda.SERVICE_NAME,
        register,
        observer.start,
        observer.stop,
        extra_services=(explaining,),
        behind_vip=True,
    )
