"""Builds the autoscaler. Does not need PyTorch."""

from barkserve.autoscaler import keda
from barkserve.autoscaler.decision import Policy
from barkserve.autoscaler.observer import Observer
from barkserve.autoscaler.servicer import AutoscalerServicer, watch_scaling
from barkserve.config.autoscaler import AutoscalerOptions
from barkserve.discovery.replica_set import ReplicaSet
from barkserve.discovery.spec import resolver_of
from barkserve.errors import StartupError
from barkserve.external import externalscaler_pb2_grpc
from barkserve.services import AUTOSCALER, AUTOSCALER_SERVICE, ORCHESTRATOR, callees
from barkserve.serving.channel import Dialer
from barkserve.serving.metrics import Metrics
from barkserve.serving.service import Service, register_with
from barkserve.v1 import autoscaler_pb2_grpc


def build(options: AutoscalerOptions, metrics: Metrics) -> Service:
    """Build the service. It connects to the others when it starts."""
    if not (0 < options.target_utilization <= 1 and options.assumed_streams > 0):
        raise StartupError(
            "--target-utilization must be above 0 and at most 1, --assumed-streams above 0"
        )
    dialers = {ORCHESTRATOR.name: Dialer.from_options(options, options.token_file)}
    stage_dialer = Dialer.from_options(options)
    replica_sets = {
        callee.name: ReplicaSet(
            callee.name,
            resolver_of(f"--{callee.name}", getattr(options, callee.name), callee.port),
            dialers.get(callee.name, stage_dialer),
        )
        for callee in callees(AutoscalerOptions)
    }
    policy = Policy(options.target_utilization, options.assumed_streams)
    observer = Observer(replica_sets, policy, options.idle_seconds)
    watch_scaling(metrics, observer)
    explanations = Service(
        AUTOSCALER_SERVICE,
        register_with(
            autoscaler_pb2_grpc.add_AutoscalerServiceServicer_to_server,
            AutoscalerServicer(observer),
        ),
    )
    register = register_with(
        externalscaler_pb2_grpc.add_ExternalScalerServicer_to_server, keda.ScalerServicer(observer)
    )
    return Service(
        AUTOSCALER.full_name,
        register,
        observer.start,
        observer.stop,
        extra_services=(explanations,),
        behind_vip=True,
    )
