"""The options of `barkserve up`."""

from dataclasses import dataclass

from barkserve.config.admission import AdmissionOptions
from barkserve.config.authentication import AuthenticationOptions
from barkserve.config.calls import ReplicaWaitOptions
from barkserve.config.gateway import GatewayOptions, WyomingOptions
from barkserve.config.model import (
    CheckpointOptions,
    ModelOptions,
    SlotOptions,
    StreamingOptions,
    VoiceOptions,
)
from barkserve.config.orchestrator import OrchestratorOptions
from barkserve.config.telemetry import SpeechLogOptions, TelemetryOptions
from barkserve.config.texts import LOG_LEVELS, VOICE_STORE
from barkserve.constants import STAGES
from barkserve.options import option, port_option


@dataclass(frozen=True)
class UpOptions(
    AdmissionOptions,
    AuthenticationOptions,
    WyomingOptions,
    VoiceOptions,
    ReplicaWaitOptions,
    SlotOptions,
    StreamingOptions,
    ModelOptions,
    CheckpointOptions,
    SpeechLogOptions,
    TelemetryOptions,
):
    """Options of `barkserve up`.

    `up` passes every option on to each service that has an option of the same name.
    """

    host: str = option(
        "127.0.0.1", "address that the orchestrator listens on; the stages stay on 127.0.0.1"
    )
    port: int = port_option(
        OrchestratorOptions.port,
        "port of the orchestrator; the stages take the next ones; 0 takes free ones",
        count=1 + len(STAGES),
    )
    metrics_port: int = port_option(
        OrchestratorOptions.metrics_port,
        "Prometheus port of the orchestrator; the stages and the gateway take the next ones; 0 "
        "disables all",
        count=2 + len(STAGES),
    )
    http_port: int = port_option(
        GatewayOptions.port,
        "port of the gateway, for HTTP, WebSocket and the web page; 0 for no gateway",
    )
    wyoming_port: int = port_option(
        10200, "port of the gateway for Wyoming clients such as Home Assistant; 0 disables it"
    )
    orchestrators: int = option(
        1,
        "orchestrator processes, which share the port and --max-streams; more than 1 needs Linux",
        least=1,
    )
    max_streams: int = option(
        OrchestratorOptions.max_streams,
        "texts and contexts spoken at once, and streams of each stage; others are rejected",
        least=1,
    )
    threads: int = option(
        0,
        "CPU threads of each model; 0 means that the stages share the cores: each takes for its "
        "next step the cores that no other stage needs. The codec, and stages on a GPU, take half "
        "of the cores",
    )
    mps: str = option(
        "auto",
        "NVIDIA's Multi-Process Service, with which the stages compute on one GPU at the same "
        "time: on and off, or auto for on where nvidia-cuda-mps-control is installed",
        ("auto", "on", "off"),
    )
    pin_cores: bool = option(False, "with a GPU, give each process CPU cores of its own (Linux)")
    voice_store: str = option(
        "", VOICE_STORE + 'empty means barkserve/voices in your data folder, "none" means no store'
    )
    startup_seconds: float = option(600.0, "time that the services have to become ready")
    max_restarts: int = option(
        5,
        "how often each service is started again within --restart-window-seconds if it ends or "
        "hangs after all were ready; then everything stops; 0 means never",
    )
    restart_window_seconds: float = option(300.0, "time in which restarts are counted")
    hang_seconds: float = option(
        60.0,
        "time without an answer to health checks after which a service is killed and started "
        "again; 0 means never",
    )
    drain_seconds: float = option(5.0, "time that running streams have to finish on a stop")
    log_level: str = option("warning", "lowest level of the services' log messages", LOG_LEVELS)
