"""The options of `barkserve orchestrator`."""

from dataclasses import dataclass

from barkserve.config.admission import AdmissionOptions
from barkserve.config.authentication import AuthenticationOptions
from barkserve.config.calls import ReplicaWaitOptions, StageAddressOptions
from barkserve.config.model import CheckpointOptions, VoiceOptions
from barkserve.config.process import ServiceOptions
from barkserve.config.telemetry import SpeechLogOptions
from barkserve.config.texts import LEXICON, METRICS_PORT, PORT, VOICE_STORE
from barkserve.constants import MAX_OPTIONS_BYTES, MAX_VOICE_BYTES
from barkserve.options import option, port_option

_MAX_GRPC_BYTES = 4 * 1024 * 1024  # gRPC's own limit of a message


@dataclass(frozen=True)
class OrchestratorOptions(
    AdmissionOptions,
    AuthenticationOptions,
    VoiceOptions,
    ReplicaWaitOptions,
    StageAddressOptions,
    CheckpointOptions,
    SpeechLogOptions,
    ServiceOptions,
):
    """Options of `barkserve orchestrator`."""

    port: int = port_option(50051, PORT)
    metrics_port: int = port_option(9464, METRICS_PORT)
    max_streams: int = option(64, "texts and contexts spoken at once; others are rejected", least=1)
    max_text_characters: int = option(
        1_000_000,
        "characters in one text, or in all text of one context; longer ones are rejected",
        least=1,
    )
    max_seconds_per_character: float = option(
        0.25,
        "longest speech of a segment without [cues] and notes, per character and on top of 2 s; "
        "exact delivery without redraws has no such limit; a request can override it; 0 means no "
        "limit",
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
    lexicon: str = option("", LEXICON)
    voice_store: str = option("", VOICE_STORE + "empty means only the checkpoint's voices")
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
