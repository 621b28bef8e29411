"""How the services of one system reach each other: certificates, replicas, load. For
those who build services.
"""

from typing import TYPE_CHECKING

from barkserve import config
from barkserve.constants import STAGES, StageName
from barkserve.discovery.spec import resolver_of
from barkserve.serving.channel import Dialer
from barkserve.serving.load import ReadLoad, load_of
from barkserve.serving.server import ServerOptions
from barkserve.serving.tls import TlsFiles

if TYPE_CHECKING:
    from barkserve.engine.engine import Engine
    from barkserve.orchestrator.stages.pool import StagePool
    from barkserve.serving.admission import Admission


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
    from barkserve.orchestrator.stages.pool import StagePool

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
