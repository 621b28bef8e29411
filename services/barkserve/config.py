"""The options of every service: one dataclass field each, from which its flag, its environment
variable, its help and its default come. Knows no service and opens nothing.
"""

from dataclasses import dataclass

from barkserve.constants import STAGES
from barkserve.errors import StartupError
from barkserve.options import option, port_option

PORTS = {
    "orchestrator": 50051,
    "semantic": 50052,
    "coarse": 50053,
    "fine": 50054,
    "codec": 50055,
    "autoscaler": 50056,
}
METRICS_PORTS = {
    "orchestrator": 9464,
    "semantic": 9465,
    "coarse": 9466,
    "fine": 9467,
    "codec": 9468,
    "autoscaler": 9469,
}

_CHECKPOINT = (
    "folder in the Hugging Face layout, or hub name such as suno/bark-small; "
    "empty: the embedded bark-mini"
)
_PORT = "port to listen on; 0 takes a free one"
_METRICS_PORT = "port of the Prometheus endpoint /metrics; 0 for none"
_SLOTS = "utterances in the key/value cache at once"
_CHUNK_GROWTH = (
    "STREAMING: how many times longer each chunk is than the one before; no player runs dry while "
    "a second of audio takes less than 1/this of a second to make; 1: all as long as the first"
)
_BATCH = "0: 1 on a CPU, where that keeps every stream equal to the bit, 8 on a GPU"
_DTYPE = (
    "of weights and activations; on a CPU bfloat16 is of the linear layers' weights only; "
    "int8 too, it needs a CPU with AVX-512 VNNI"
)
_DTYPES = ("float32", "float16", "bfloat16", "int8")
_ATTENTION = "flash needs CUDA, flash-attn and a 16-bit dtype"
_ATTENTIONS = ("flash", "sdpa", "eager")
_TLS_CERT = "PEM file with the certificate to show, to clients and to other services; empty: no TLS"
_TLS_KEY = "PEM file with the certificate's key"
_TLS_CA = (
    "PEM file with the authorities to trust; with it clients must show a certificate, "
    "and calls to other services use TLS too"
)
_TLS_CLIENTS = "whether clients must show a certificate of --tls-ca"
_OFFLOAD = (
    "how long no stream must have been in a stage before its model leaves the GPU for host"
    " memory; the next stream brings it back; 0: never"
)
_LOG_LEVELS = ("debug", "info", "warning", "error")
_VOICE_STORE = (
    "folder or fsspec URL of created voices, the same for all replicas (s3:// needs s3fs, gs://"
    " gcsfs); "
)
_REPLICAS_OF_ORCHESTRATOR = "replicas of the orchestrator, in the same forms"
_REPLICAS = (
    "replicas of the {} stage: HOST:PORT,... or static:HOST:PORT,... or dns:NAME:PORT "
    "or kubernetes:SERVICE[.NAMESPACE][:PORT]"
)
_VOICE = 'voice of requests that name none; empty: the checkpoint\'s default, "none": no voice'


@dataclass(frozen=True)
class ServiceOptions:
    """What every service takes."""

    host: str = option("127.0.0.1", "address to listen on; 0.0.0.0 for all")
    port: int = port_option(0, _PORT)
    metrics_port: int = port_option(0, _METRICS_PORT)
    drain_seconds: float = option(
        30.0, "how long running streams may go on after the first SIGTERM"
    )
    health_port: int = port_option(
        0, "plaintext port that answers grpc.health.v1 only, for probes that know no TLS; 0: none"
    )
    max_connection_age_seconds: float = option(
        0.0, "ask clients to connect anew after so long, so that they find new replicas; 0: never"
    )
    tls_cert: str = option("", _TLS_CERT)
    tls_key: str = option("", _TLS_KEY)
    tls_ca: str = option("", _TLS_CA)
    log_level: str = option("info", "how much to log", _LOG_LEVELS)
    exit_on_stdin_close: bool = option(
        False,
        "stop when standard input closes, and say on standard output why it cannot serve (set by"
        " `barkserve up`)",
    )


@dataclass(frozen=True)
class CommonOptions(ServiceOptions):
    """What every service with a checkpoint takes."""

    checkpoint: str = option("", _CHECKPOINT)


@dataclass(frozen=True)
class StageOptions(CommonOptions):
    """What every service with a model takes."""

    device: str = option("cpu", "cpu, cuda or cuda:N")
    dtype: str = option("float32", _DTYPE, _DTYPES)
    attention: str = option("sdpa", _ATTENTION, _ATTENTIONS)
    threads: int = option(0, "CPU threads of the model; 0 for torch's own choice")
    max_streams: int = option(
        64,
        "streams taken on at once, waiting ones included; more are told to come back",
        least=1,
    )
    offload_idle_seconds: float = option(0.0, _OFFLOAD)


@dataclass(frozen=True)
class SemanticOptions(StageOptions):
    """`barkserve semantic`."""

    port: int = port_option(PORTS["semantic"], _PORT)
    metrics_port: int = port_option(METRICS_PORTS["semantic"], _METRICS_PORT)
    slots: int = option(16, _SLOTS, least=1)


@dataclass(frozen=True)
class CoarseOptions(StageOptions):
    """`barkserve coarse`."""

    port: int = port_option(PORTS["coarse"], _PORT)
    metrics_port: int = port_option(METRICS_PORTS["coarse"], _METRICS_PORT)
    slots: int = option(16, _SLOTS, least=1)


@dataclass(frozen=True)
class FineOptions(StageOptions):
    """`barkserve fine`."""

    port: int = port_option(PORTS["fine"], _PORT)
    metrics_port: int = port_option(METRICS_PORTS["fine"], _METRICS_PORT)
    max_batch: int = option(0, "windows of different streams in one pass; " + _BATCH)
    first_chunk_frames: int = option(
        22, "STREAMING: frames of 1/75 s in an utterance's first chunk", least=1
    )
    chunk_growth: float = option(1.25, _CHUNK_GROWTH, least=1)
    max_chunk_frames: int = option(
        75, "STREAMING: frames in a later chunk, and no more than a window decides", least=1
    )
    lookahead_frames: int = option(8, "STREAMING: frames to the right that a frame must have seen")


@dataclass(frozen=True)
class CodecOptions(StageOptions):
    """`barkserve codec`."""

    port: int = port_option(PORTS["codec"], _PORT)
    metrics_port: int = port_option(METRICS_PORTS["codec"], _METRICS_PORT)
    max_batch: int = option(0, "chunks of different streams in one pass; " + _BATCH)


@dataclass(frozen=True)
class OrchestratorOptions(CommonOptions):
    """`barkserve orchestrator`."""

    port: int = port_option(PORTS["orchestrator"], _PORT)
    metrics_port: int = port_option(METRICS_PORTS["orchestrator"], _METRICS_PORT)
    semantic: str = option(f"127.0.0.1:{PORTS['semantic']}", _REPLICAS.format("semantic"))
    coarse: str = option(f"127.0.0.1:{PORTS['coarse']}", _REPLICAS.format("coarse"))
    fine: str = option(f"127.0.0.1:{PORTS['fine']}", _REPLICAS.format("fine"))
    codec: str = option(f"127.0.0.1:{PORTS['codec']}", _REPLICAS.format("codec"))
    voice: str = option("", _VOICE)
    max_streams: int = option(
        64, "texts and contexts spoken at once; more are told to come back", least=1
    )
    max_text_characters: int = option(
        1_000_000, "characters of a text, or of all text of a context; more are refused", least=1
    )
    max_seconds_per_character: float = option(
        0.5,
        "of speech, on top of 2, for a piece of text without [cues] and notes; it ends there unless"
        " the request says otherwise; 0 for no limit",
    )
    max_contexts: int = option(
        16, "contexts that may be open in one StreamingSynthesize call", least=1
    )
    voice_store: str = option("", _VOICE_STORE + "empty: only the checkpoint's voices")
    max_stored_voices: int = option(1000, "voices that may be created in all")
    voice_handle_seconds: float = option(
        3600.0, "how long a voice that a response left behind can be asked for by its handle"
    )
    replica_wait_seconds: float = option(
        60.0, "how long a stream waits for a stage that has no replica: it may be scaling from zero"
    )
    tls_clients: str = option("certificate", _TLS_CLIENTS, ("certificate", "anyone"))


@dataclass(frozen=True)
class AutoscalerOptions(ServiceOptions):
    """`barkserve autoscaler`."""

    port: int = port_option(PORTS["autoscaler"], _PORT)
    metrics_port: int = port_option(METRICS_PORTS["autoscaler"], _METRICS_PORT)
    orchestrator: str = option(f"127.0.0.1:{PORTS['orchestrator']}", _REPLICAS_OF_ORCHESTRATOR)
    semantic: str = option(f"127.0.0.1:{PORTS['semantic']}", _REPLICAS.format("semantic"))
    coarse: str = option(f"127.0.0.1:{PORTS['coarse']}", _REPLICAS.format("coarse"))
    fine: str = option(f"127.0.0.1:{PORTS['fine']}", _REPLICAS.format("fine"))
    codec: str = option(f"127.0.0.1:{PORTS['codec']}", _REPLICAS.format("codec"))
    target_utilization: float = option(
        0.7, "share of a replica's measured capacity that running streams may take"
    )
    assumed_streams: float = option(
        4.0, "streams that a replica keeps in real time, until it has been measured"
    )
    idle_seconds: float = option(
        300.0, "how long after the last stream there is to be a replica of each stage"
    )


@dataclass(frozen=True)
class FetchOptions:
    """`barkserve fetch`: what one service needs of a checkpoint, in a folder of its own."""

    stage: str = option("", "which service", (*STAGES, "orchestrator"))
    checkpoint: str = option("", _CHECKPOINT)
    to: str = option("", "folder to write; it becomes that service's --checkpoint")
    verify: bool = option(False, "fetch nothing: check the folder against its checksums")


@dataclass(frozen=True)
class UpOptions:
    """`barkserve up`: all five on this machine."""

    checkpoint: str = option("", _CHECKPOINT)
    host: str = option(
        "127.0.0.1", "address the orchestrator listens on; the stages stay on 127.0.0.1"
    )
    port: int = port_option(
        PORTS["orchestrator"],
        "port of the orchestrator, the stages take the next four; 0 takes free ones",
        count=5,
    )
    metrics_port: int = port_option(
        METRICS_PORTS["orchestrator"], "first of five Prometheus ports; 0 for none", count=5
    )
    device: str = option("cpu", "of all stages: cpu, cuda or cuda:N")
    dtype: str = option("float32", _DTYPE, _DTYPES)
    attention: str = option("sdpa", _ATTENTION, _ATTENTIONS)
    threads: int = option(0, "CPU threads of each model; 0 shares the cores among two")
    slots: int = option(16, "utterances in each key/value cache at once", least=1)
    offload_idle_seconds: float = option(0.0, _OFFLOAD)
    voice: str = option("", _VOICE)
    voice_store: str = option(
        "", _VOICE_STORE + 'empty: barkserve/voices in your data folder, "none": nowhere'
    )
    startup_seconds: float = option(600.0, "how long the services may take to load")
    drain_seconds: float = option(5.0, "how long running streams may go on when stopped")
    log_level: str = option("warning", "how much the services log", _LOG_LEVELS)


def check_offload(device: str, idle_seconds: float) -> None:
    """Raise StartupError for a model that is to leave a device that it cannot leave."""
    if idle_seconds and not device.startswith("cuda"):
        raise StartupError(
            f"--offload-idle-seconds: with --device {device} a model is in host memory already,"
            " and leaving would free nothing; take --device cuda, or 0 seconds"
        )
