"""How the services of one system reach each other: certificates, replicas, load. Part of the
composition root."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from barkserve import config
from barkserve.constants import STAGES, StageName
from barkserve.discovery.replica_set import ReplicaSet
from barkserve.discovery.spec import resolver_of
from barkserve.errors import StartupError
from barkserve.serving.channel import Dialer
from barkserve.serving.load import ReadLoad, load_of
from barkserve.serving.metrics import Metrics
from barkserve.serving.server import ServerOptions, Service, register_with
from barkserve.serving.tls import TlsFiles

if TYPE_CHECKING:
    from barkserve.engine.admission import Admission
    from barkserve.engine.engine import Engine
    from barkserve.orchestrator.pool import StagePool
    from barkserve.orchestrator.talk import Studio
    from barkserve.orchestrator.voice_catalog import VoiceCatalog


def server_options(options: config.ServiceOptions) -> ServerOptions:
    """Where and how a service listens."""
    mutual = bool(options.tls_ca)
    return ServerOptions(
        host=options.host,
        port=options.port,
        metrics_port=options.metrics_port,
        drain_s=options.drain_seconds,
        exit_on_stdin_close=options.exit_on_stdin_close,
        health_port=options.health_port,
        max_connection_age_s=options.max_connection_age_seconds,
        tls=tls_of(options),
        clients_need_certificate=mutual and getattr(options, "tls_clients", "") != "anyone",
    )


def tls_of(options: config.ServiceOptions) -> TlsFiles | None:
    """A service's certificates, None for plaintext."""
    if not (options.tls_cert or options.tls_key or options.tls_ca):
        return None
    return TlsFiles(options.tls_cert, options.tls_key, options.tls_ca)


def dialer_of(options: config.ServiceOptions) -> Dialer:
    """With an authority all services speak TLS, without one only to their own clients."""
    return Dialer(tls_of(options) if options.tls_ca else None)


def pools_of(options: config.OrchestratorOptions) -> "dict[StageName, StagePool]":
    """The replicas of every stage, for streams."""
    from barkserve.orchestrator.pool import StagePool

    dialer = dialer_of(options)
    return {
        stage: StagePool(
            stage,
            resolver_of(f"--{stage}", getattr(options, stage), config.PORTS[stage]),
            dialer,
            options.replica_wait_seconds,
        )
        for stage in STAGES
    }


def engine_load(admission: "Admission", engine: "Engine") -> ReadLoad:
    """The load of a stage that has slots."""
    return load_of(admission, engine, engine.slots, lambda: engine.free_slots)


def status_service(
    options: config.OrchestratorOptions, pools: "dict[StageName, StagePool]", load: ReadLoad
) -> Service:
    """What the orchestrator tells of the others; it has nothing to start and to stop."""
    from barkserve.orchestrator.status_servicer import StatusServicer
    from barkserve.v1 import status_pb2_grpc

    servicer = StatusServicer(pools, load, f"{options.host}:{options.port}")
    register = register_with(status_pb2_grpc.add_StatusServiceServicer_to_server, servicer)
    return Service("barkserve.v1.StatusService", register)


def riva_service(studio: "Studio", catalog: "VoiceCatalog", admission: "Admission") -> Service:
    """The orchestrator under NVIDIA Riva's contract; it has nothing to start and to stop."""
    from barkserve.external import riva_tts_pb2_grpc
    from barkserve.orchestrator.riva.servicer import RivaServicer
    from barkserve.orchestrator.riva.voices import RivaVoices

    voices = RivaVoices(catalog, studio.folder.name, studio.voices.default)
    servicer = RivaServicer(studio, voices, admission)
    add = riva_tts_pb2_grpc.add_RivaSpeechSynthesisServicer_to_server
    return Service("nvidia.riva.tts.RivaSpeechSynthesis", register_with(add, servicer))


def autoscaler(options: config.AutoscalerOptions, metrics: Metrics) -> Service:
    """How many replicas each service should have, for KEDA, Prometheus and people; needs no
    torch."""
    from barkserve.autoscaler import keda
    from barkserve.autoscaler.decision import Policy
    from barkserve.autoscaler.observer import ORCHESTRATOR, Observer
    from barkserve.autoscaler.servicer import AutoscalerServicer, watch_scaling
    from barkserve.external import externalscaler_pb2_grpc
    from barkserve.v1 import autoscaler_pb2_grpc

    dialer = dialer_of(options)
    services: Sequence[str] = (ORCHESTRATOR, *STAGES)
    sets = {
        name: ReplicaSet(
            name, resolver_of(f"--{name}", getattr(options, name), config.PORTS[name]), dialer
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
    return Service(keda.SERVICE_NAME, register, observer.start, observer.stop, beside=(explaining,))
