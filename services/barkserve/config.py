"""The options of every command: one dataclass per command, one field per option.

A field gives the option its flag, environment variable, help text and default (see `options`).
Groups that several commands share are base classes, so that each option is declared once.
"""

from dataclasses import dataclass
from typing import Literal

from barkserve.constants import MAX_OPTIONS_BYTES, MAX_VOICE_BYTES, STAGES
from barkserve.errors import StartupError
from barkserve.options import option, port_option

_PORT = "port to listen on; 0 takes a free one"
_METRICS_PORT = "port of the Prometheus endpoint /metrics; 0 disables it"
_MAX_GRPC_BYTES = 4 * 1024 * 1024  # gRPC's own limit of a message
_LOG_LEVELS = ("debug", "info", "warning", "error")
_LOG_FORMATS = ("text", "json")
_VOICE_STORE = (
    "folder or fsspec URL of created voices, the same for all replicas (s3:// needs s3fs, gs:// "
    "needs gcsfs); "
)
_TRUSTED_PROXIES = (
    "addresses and networks of proxies{} whose X-Forwarded-For names the caller, separated by "
    "commas; empty means none"
)
_LOOPBACK = "127.0.0.0/8,::1"
_MAX_BATCH = "0 means 1 on a CPU (every stream stays bit-exact) and 8 on a GPU"
_REPLICAS = (
    "replicas of the {}: HOST:PORT,... or static:HOST:PORT,... or dns:NAME:PORT or "
    "kubernetes:SERVICE[.NAMESPACE][:PORT]"
)


@dataclass(frozen=True)
class ListenOptions:
    """Options that say who can reach a port. `barkserve up` has them for the orchestrator."""

    host: str = option("127.0.0.1", "address to listen on; 0.0.0.0 for all")
    insecure: bool = option(
        False, "allow --host to be reachable from other machines without TLS or authentication"
    )
    tls_cert: str = option(
        "", "PEM file with the certificate of this service; empty disables TLS for its clients"
    )
    tls_key: str = option("", "PEM file with the private key of the certificate")

    @property
    def authenticates_callers(self) -> bool:
        """Whether every caller must prove who it is."""
        return False

    @property
    def authentication_flags(self) -> tuple[str, ...]:
        """The options that make callers prove who they are."""
        return ()


@dataclass(frozen=True)
class ProcessOptions(ListenOptions):
    """Options of every service, whatever protocol it speaks."""

    port: int = port_option(0, _PORT)
    metrics_port: int = port_option(0, _METRICS_PORT)
    drain_seconds: float = option(
        30.0, "time that running streams have to finish after the first SIGTERM"
    )
    tls_ca: str = option(
        "",
        "PEM file with the trusted authorities; requires client certificates, and TLS on calls to "
        "other services",
    )
    event_loop_timeout_seconds: float = option(
        10.0,
        "time after which a service whose event loop is blocked writes all stacks to its log and "
        "ends with exit code 75; 0 means never",
    )
    log_level: str = option("info", "lowest level of the log messages to show", _LOG_LEVELS)
    log_format: str = option(
        "text", "format of the log: a line of text or a JSON object for each record", _LOG_FORMATS
    )
    exit_on_stdin_close: bool = option(
        False,
        "stop when standard input closes, and print startup errors on standard output (set by "
        "`barkserve up`)",
    )


@dataclass(frozen=True)
class ServiceOptions(ProcessOptions):
    """Options of every gRPC service."""

    health_port: int = port_option(
        0, "plaintext port with grpc.health.v1 only, for probes without TLS; 0 disables it"
    )
    max_connection_age_seconds: float = option(
        0.0,
        "connection age after which clients are asked to reconnect, so that they find new "
        "replicas; 0 means never",
    )
    keepalive_seconds: float = option(
        15.0,
        "time without data from a client after which it is pinged; its connection is closed if no "
        "answer comes within the same time; 0 means never",
    )
    output_idle_seconds: float = option(
        300.0, "time that a stream waits for a caller that does not read; 0 means no limit"
    )

    certificate_roles: str = option(
        "",
        "roles of clients by the names in their certificates: ROLE=NAME,..., where * matches any "
        "characters and NAME is a DNS name or URI; the roles are speak, manage-voices, operate, "
        "call-stages and forward; empty gives every role to each certificate, except on stages, "
        "which need it",
    )
    reflection: str = option(
        "on", "whether clients can list the services and messages (gRPC reflection)", ("on", "off")
    )

    @property
    def requires_client_certificate(self) -> bool:
        """Whether clients must present a certificate of an authority in `tls_ca`."""
        return bool(self.tls_ca)

    @property
    def max_request_bytes(self) -> int:
        """Size of the largest request message that is parsed: parsing blocks the event loop."""
        return 262_144

    @property
    def authenticates_callers(self) -> bool:
        """Whether every caller must prove who it is."""
        return self.requires_client_certificate

    @property
    def authentication_flags(self) -> tuple[str, ...]:
        """The options that make callers prove who they are."""
        return ("--tls-ca",)


@dataclass(frozen=True)
class AuthenticationOptions(ListenOptions):
    """Options that say who may call a public service. `barkserve up` has the same ones."""

    auth_tokens: str = option(
        "",
        "TOML file with the callers and the hashes of their tokens; every RPC then needs a token, "
        "except health checks",
    )
    auth_jwks: str = option(
        "",
        "file or https URL with the keys of an identity provider (JWKS), whose JSON web tokens are "
        "then accepted; every RPC then needs a token, except health checks",
    )
    auth_jwks_ca: str = option(
        "",
        "PEM file with the authorities to trust for the https URL of --auth-jwks; empty means the "
        "system's",
    )
    auth_issuer: str = option("", "issuer (iss) that JSON web tokens must have")
    auth_audience: str = option("", "audience (aud) that JSON web tokens must have")
    auth_roles_claim: str = option(
        "scope", "claim of JSON web tokens with the roles, such as barkserve:speak"
    )
    caller_streams: int = option(
        0,
        "texts and contexts of one caller spoken at once, unless its token has another limit; 0 "
        "means no limit",
    )
    caller_characters_per_minute: int = option(
        0,
        "characters that one caller may send per minute, unless its token has another limit; 0 "
        "means no limit",
    )
    caller_requests_per_second: float = option(
        0.0,
        "RPCs that one caller may start per second, unless its token has another limit; 0 means no "
        "limit",
    )

    trusted_proxies: str = option(
        _LOOPBACK, _TRUSTED_PROXIES.format(" and gateways without certificates")
    )

    @property
    def authenticates_callers(self) -> bool:
        """Whether every caller must prove who it is."""
        return bool(self.auth_tokens or self.auth_jwks) or super().authenticates_callers

    @property
    def authentication_flags(self) -> tuple[str, ...]:
        """The options that make callers prove who they are."""
        return ("--auth-tokens", "--auth-jwks", *super().authentication_flags)


@dataclass(frozen=True)
class CheckpointOptions:
    """Options of everything that reads a checkpoint."""

    checkpoint: str = option(
        "",
        "folder in the Hugging Face layout, or hub name such as suno/bark-small; empty means the "
        "bundled bark-mini",
    )


@dataclass(frozen=True)
class ModelOptions:
    """Options of a model. `barkserve up` has the same ones and passes them to every stage."""

    device: str = option("cpu", "cpu, cuda or cuda:N")
    dtype: str = option(
        "float32",
        "dtype of weights and activations; on a CPU, bfloat16 and int8 apply to the weights of "
        "linear layers only, and int8 needs AVX-512 VNNI",
        ("float32", "float16", "bfloat16", "int8"),
    )
    attention: str = option(
        "sdpa", "flash needs CUDA, flash-attn and a 16-bit dtype", ("flash", "sdpa", "eager")
    )
    threads: int = option(0, "CPU threads of the model; 0 means PyTorch's default")
    offload_idle_seconds: float = option(
        0.0,
        "time without a stream after which a stage moves its model from the GPU to host memory, "
        "until the next stream; 0 means never",
    )


@dataclass(frozen=True)
class SlotOptions:
    """Options of a stage with a key/value cache. `barkserve up` passes them on."""

    slots: int = option(16, "utterances in the key/value cache at once", least=1)


@dataclass(frozen=True)
class VoiceOptions:
    """Options of the default voice. `barkserve up` passes them on."""

    voice: str = option(
        "",
        "voice of requests that name none; empty means the default of the checkpoint, "
        '"none" means no voice',
    )


@dataclass(frozen=True)
class AssumedCapacityOptions:
    """The capacity of a replica before it has been measured."""

    assumed_streams: float = option(
        4.0, "real-time streams per replica, assumed until the capacity is measured"
    )


@dataclass(frozen=True)
class AdmissionOptions(AssumedCapacityOptions):
    """Which streams the orchestrator accepts. `barkserve up` passes them on."""

    admission: str = option(
        "rate",
        "rate accepts streams as far as the measured rate of the stages keeps all of them in "
        "real time; count accepts --max-streams",
        ("rate", "count"),
    )
    admission_share: float = option(
        0.85, "share of the measured rate that accepted streams may use; above 0, at most 1"
    )
    queue_seconds: float = option(
        1.0, "time that a stream may wait for room, if room is expected in that time"
    )


@dataclass(frozen=True)
class StageOptions(ModelOptions, CheckpointOptions, ServiceOptions):
    """Options of every stage: a service with a model."""

    max_streams: int = option(
        64,
        "streams accepted at once, including those that wait for a slot; others are rejected",
        least=1,
    )
    first_message_seconds: float = option(
        10.0, "time that an accepted stream has to send its first messages; 0 means no limit"
    )
    input_idle_seconds: float = option(
        300.0, "time that a stage waits for the next input of a stream; 0 means no limit"
    )
    step_timeout_seconds: float = option(
        60.0,
        "time that one pass of the model may take; after that the stage writes all stacks to its "
        "log and ends with exit code 75; 0 means no limit",
    )


@dataclass(frozen=True)
class SemanticOptions(SlotOptions, StageOptions):
    """Options of `barkserve semantic`."""

    port: int = port_option(50052, _PORT)
    metrics_port: int = port_option(9465, _METRICS_PORT)


@dataclass(frozen=True)
class CoarseOptions(SlotOptions, StageOptions):
    """Options of `barkserve coarse`."""

    port: int = port_option(50053, _PORT)
    metrics_port: int = port_option(9466, _METRICS_PORT)


@dataclass(frozen=True)
class FineOptions(StageOptions):
    """Options of `barkserve fine`."""

    port: int = port_option(50054, _PORT)
    metrics_port: int = port_option(9467, _METRICS_PORT)
    max_batch: int = option(0, f"windows of different streams in one model call; {_MAX_BATCH}")
    first_chunk_frames: int = option(
        22, "STREAMING: frames (1/75 s each) in the first chunk of an utterance", least=1
    )
    chunk_growth: float = option(
        1.25,
        "STREAMING: length of a chunk relative to the chunk before it; playback does not underrun "
        "while the real-time factor is below 1/growth; 1 keeps all chunks at the first one's "
        "length",
        least=1,
    )
    max_chunk_frames: int = option(
        75, "STREAMING: most frames in a later chunk, limited by the model's window", least=1
    )
    lookahead_frames: int = option(
        8, "STREAMING: frames to the right that the model sees before it decides a frame"
    )


@dataclass(frozen=True)
class CodecOptions(StageOptions):
    """Options of `barkserve codec`."""

    port: int = port_option(50055, _PORT)
    metrics_port: int = port_option(9468, _METRICS_PORT)
    max_batch: int = option(0, f"chunks of different streams in one model call; {_MAX_BATCH}")


@dataclass(frozen=True)
class OutgoingCallOptions:
    """Options of services that call other services."""

    grpc_proxy: Literal["environment", "off"] = option(
        "off",
        "whether calls to services on other machines use the HTTP proxy that the environment names "
        "in grpc_proxy, https_proxy or http_proxy, except for hosts in no_proxy",
        ("environment", "off"),
    )


@dataclass(frozen=True)
class StageAddressOptions(OutgoingCallOptions):
    """Options that say where the replicas of each stage are."""

    semantic: str = option(f"127.0.0.1:{SemanticOptions.port}", _REPLICAS.format("semantic stage"))
    coarse: str = option(f"127.0.0.1:{CoarseOptions.port}", _REPLICAS.format("coarse stage"))
    fine: str = option(f"127.0.0.1:{FineOptions.port}", _REPLICAS.format("fine stage"))
    codec: str = option(f"127.0.0.1:{CodecOptions.port}", _REPLICAS.format("codec stage"))


@dataclass(frozen=True)
class ReplicaWaitOptions:
    """How long streams wait for a stage. `barkserve up` passes it on."""

    replica_wait_seconds: float = option(
        60.0,
        "time that a stream waits for a stage without a usable replica, which may be restarting or "
        "scaling up from zero; it waits longer while the listener still has audio to play",
    )


@dataclass(frozen=True)
class OrchestratorOptions(
    AdmissionOptions,
    AuthenticationOptions,
    VoiceOptions,
    ReplicaWaitOptions,
    StageAddressOptions,
    CheckpointOptions,
    ServiceOptions,
):
    """Options of `barkserve orchestrator`."""

    port: int = port_option(50051, _PORT)
    metrics_port: int = port_option(9464, _METRICS_PORT)
    max_streams: int = option(64, "texts and contexts spoken at once; others are rejected", least=1)
    max_text_characters: int = option(
        1_000_000,
        "characters in one text, or in all text of one context; longer ones are rejected",
        least=1,
    )
    max_seconds_per_character: float = option(
        0.5,
        "longest speech of a segment without [cues] and notes, per character and on top of 2 s; "
        "a request can override it; 0 means no limit",
    )
    max_contexts: int = option(16, "contexts open in one StreamingSynthesize call", least=1)
    max_calls_per_caller: int = option(
        1000, "StreamingSynthesize calls that one caller may have open", least=1
    )
    max_pending_flushes: int = option(
        1000, "flushes of one context that are not reported as done", least=1
    )
    context_idle_seconds: float = option(
        60.0,
        "time after which a context fails that has nothing to speak and gets no text; playback "
        "counts as speaking; 0 means never",
    )
    call_idle_seconds: float = option(
        300.0,
        "time after which a StreamingSynthesize call without an open context fails; 0 means never",
    )
    heartbeat_seconds: float = option(
        15.0,
        "time without a message after which a speaking call gets a heartbeat, so that no proxy "
        "cuts it; 0 means never",
    )
    voice_store: str = option("", _VOICE_STORE + "empty means only the checkpoint's voices")
    max_stored_voices: int = option(1000, "created voices and unexpired handles in total")
    voice_handle_seconds: float = option(
        3600.0, "time for which a voice handle in a response stays valid"
    )
    tls_clients: str = option(
        "certificate",
        "whether clients must present a certificate of --tls-ca",
        ("certificate", "anyone"),
    )

    @property
    def requires_client_certificate(self) -> bool:
        """Whether clients must present a certificate of an authority in `tls_ca`."""
        return bool(self.tls_ca) and self.tls_clients == "certificate"

    @property
    def max_request_bytes(self) -> int:
        """A text in UTF-8, a voice and options."""
        text_bytes = 4 * self.max_text_characters
        return min(text_bytes + MAX_VOICE_BYTES + MAX_OPTIONS_BYTES, _MAX_GRPC_BYTES)


@dataclass(frozen=True)
class AutoscalerOptions(
    AuthenticationOptions, AssumedCapacityOptions, StageAddressOptions, ServiceOptions
):
    """Options of `barkserve autoscaler`."""

    port: int = port_option(50056, _PORT)
    metrics_port: int = port_option(9469, _METRICS_PORT)
    orchestrator: str = option(
        f"127.0.0.1:{OrchestratorOptions.port}", _REPLICAS.format("orchestrator")
    )
    target_utilization: float = option(
        0.7, "share of a replica's measured capacity that running streams may use"
    )
    idle_seconds: float = option(
        300.0, "time after the last stream for which each stage keeps a replica"
    )
    token_file: str = option(
        "",
        "file with the token for the orchestrator, of a caller with the role operate; it is read "
        "again when it changes",
    )


@dataclass(frozen=True)
class WyomingOptions:
    """Where Wyoming clients such as Home Assistant connect. `barkserve up` has the same ones."""

    wyoming_port: int = port_option(
        0, "port for Wyoming clients such as Home Assistant, often 10200; 0 disables it"
    )
    wyoming_host: str = option(
        "127.0.0.1",
        "address that --wyoming-port listens on; Wyoming has no encryption and no authentication, "
        "so other addresses need --insecure",
    )


@dataclass(frozen=True)
class GatewayOptions(WyomingOptions, OutgoingCallOptions, ProcessOptions):
    """Options of `barkserve gateway`."""

    port: int = port_option(8080, "HTTP port to listen on; 0 takes a free one")
    metrics_port: int = port_option(9470, _METRICS_PORT)
    orchestrator: str = option(
        f"127.0.0.1:{OrchestratorOptions.port}",
        "address of the orchestrator: HOST:PORT, or any name that gRPC resolves",
    )
    orchestrator_tls_name: str = option(
        "", "name in the orchestrator's certificate, if it is not the host of --orchestrator"
    )
    openai_voices: str = option(
        "",
        "voices for OpenAI's voice names, such as alloy=v2/en_speaker_6,nova=v2/en_speaker_9; the "
        "other names take the server's voices in turn",
    )
    cors_origins: str = option(
        "",
        "origins of web pages that may call, such as https://example.org, separated by commas; * "
        "means all; empty means only pages of the gateway itself",
    )
    keep_alive_seconds: float = option(
        75.0, "time that an HTTP connection stays open between two requests"
    )
    tls_ca: str = option(
        "",
        "PEM file with the authorities of the orchestrator's certificate; empty means plaintext to "
        "the orchestrator; with --tls-cert, the gateway shows its certificate to the orchestrator",
    )
    trusted_proxies: str = option(_LOOPBACK, _TRUSTED_PROXIES.format(""))
    require_tokens: bool = option(
        False,
        "refuse calls without a token, and all calls while the orchestrator does not check tokens",
    )

    @property
    def authenticates_callers(self) -> bool:
        """Whether every caller must prove who it is. The orchestrator checks the tokens."""
        return self.require_tokens

    @property
    def authentication_flags(self) -> tuple[str, ...]:
        """The options that make callers prove who they are."""
        return ("--require-tokens",)


@dataclass(frozen=True)
class FetchOptions(CheckpointOptions):
    """Options of `barkserve fetch`."""

    stage: str = option("", "service that the files are for", (*STAGES, "orchestrator"))
    to: str = option("", "folder to write; give it to that service as --checkpoint")
    verify: bool = option(False, "check the folder against its checksums and fetch nothing")


@dataclass(frozen=True)
class TokenOptions:
    """Options of `barkserve token`."""

    name: str = option("", "name of the caller, for limits and the audit log")
    roles: str = option(
        "speak", "what the caller may do: speak, manage-voices, operate, or several"
    )
    valid_days: float = option(0.0, "time after which the token expires, in days; 0 means never")


@dataclass(frozen=True)
class UpOptions(
    AdmissionOptions,
    AuthenticationOptions,
    WyomingOptions,
    VoiceOptions,
    ReplicaWaitOptions,
    SlotOptions,
    ModelOptions,
    CheckpointOptions,
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
    threads: int = option(0, "CPU threads of each model; 0 means half of the cores")
    voice_store: str = option(
        "", _VOICE_STORE + 'empty means barkserve/voices in your data folder, "none" means no store'
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
    log_level: str = option("warning", "lowest level of the services' log messages", _LOG_LEVELS)
    log_format: str = option("text", "format of the services' log", _LOG_FORMATS)


def check_offload(device: str, idle_seconds: float) -> None:
    """Check that a model can be offloaded from its device.

    Raises:
        StartupError: offloading is on and the device is a CPU.
    """
    if idle_seconds and not device.startswith("cuda"):
        raise StartupError(
            f"--offload-idle-seconds needs a GPU: with --device {device} the model is in host "
            "memory already. Use --device cuda, or --offload-idle-seconds 0"
        )
