"""Builds the orchestrator, the public service. Needs no torch."""

import asyncio
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace

from barkserve.checkpoint.folder import CheckpointFolder, bundled_checkpoint
from barkserve.checkpoint.voices import VoiceLibrary
from barkserve.config.orchestrator import OrchestratorOptions
from barkserve.constants import NO_VOICE, STAGES, StageName
from barkserve.discovery.spec import resolver_of
from barkserve.errors import StartupError
from barkserve.external import riva_tts_pb2_grpc
from barkserve.orchestrator.admission.admission import StreamAdmission
from barkserve.orchestrator.admission.capacity import Capacity, RateCapacity, unlimited
from barkserve.orchestrator.admission.hold_limit import HoldLimit
from barkserve.orchestrator.riva.servicer import RivaServicer
from barkserve.orchestrator.riva.voices import RivaVoices
from barkserve.orchestrator.server_info import server_info
from barkserve.orchestrator.servicer import SpeechServicer
from barkserve.orchestrator.session.limits import Limits
from barkserve.orchestrator.session.session import SpeechBackend
from barkserve.orchestrator.session.speech_metrics import SpeechMetrics
from barkserve.orchestrator.stages.pool import StagePool
from barkserve.orchestrator.stages.readiness import StageReadiness
from barkserve.orchestrator.status_servicer import StatusServicer
from barkserve.orchestrator.synthesis.pipeline import StageClients
from barkserve.orchestrator.text.budget import Budget, has_letters_only_tokenizer
from barkserve.orchestrator.text.lexicon_entries import ServerLexicon, parse_lexicon_file
from barkserve.orchestrator.text.markup.say_as import load_locales
from barkserve.orchestrator.voices.blobs import open_blob_store
from barkserve.orchestrator.voices.catalog import StoredVoices, VoiceCatalog
from barkserve.orchestrator.voices.handles import VoiceHandles
from barkserve.orchestrator.voices.selection import VoiceSelector
from barkserve.orchestrator.voices.store import VoiceStore
from barkserve.services import ORCHESTRATOR, RIVA_SERVICE, STATUS_SERVICE, service_named
from barkserve.serving.auth.quotas import CallerQuotas
from barkserve.serving.channel import Dialer
from barkserve.serving.load import ReadLoad, load_of
from barkserve.serving.metrics import Metrics
from barkserve.serving.reloaded_file import ReloadedFile
from barkserve.serving.service import Service, register_with
from barkserve.v1 import speech_pb2, speech_pb2_grpc, status_pb2_grpc

_UNLIMITED = sys.maxsize

_MAX_CONTEXT_HOLDERS = 4
"""One caller may have --max-streams contexts open, and all callers together four times as many."""


def build(options: OrchestratorOptions, metrics: Metrics) -> Service:
    """Build the service; it connects to its stages when it starts."""
    folder = CheckpointFolder.open(options.checkpoint or bundled_checkpoint())
    library = VoiceLibrary(folder)
    catalog = VoiceCatalog(library, _stored_voices(options, folder))
    default = options.voice or library.default or NO_VOICE
    pools = _pools(options, folder.fingerprint)
    quotas = CallerQuotas()
    admission = _admission(options, pools, quotas)
    calls = HoldLimit(
        "open calls",
        options.max_calls_per_caller,
        _UNLIMITED,
        "close some, or raise --max-calls-per-caller",
    )
    lexicon = _lexicon_file(options)
    load_locales()
    backend = SpeechBackend(
        stages=StageClients(pools, folder.bark),
        folder=folder,
        catalog=catalog,
        voices=VoiceSelector(catalog, folder.bark, default),
        budget=Budget.from_config(
            folder.bark, letters_only=has_letters_only_tokenizer(folder.path)
        ),
        languages=library.languages(),
        lexicon=lambda: lexicon.content if lexicon else ServerLexicon(),
        limits=_limits(options),
        quotas=quotas,
        metrics=SpeechMetrics.create(metrics, folder.name),
        log_text=options.log_text,
        admission=admission,
        open_contexts=HoldLimit(
            "open contexts",
            options.max_streams,
            _MAX_CONTEXT_HOLDERS * options.max_streams,
            "open a context when there is text, or raise --max-streams",
        ),
    )
    info = _server_info(options, folder, default, library.languages())
    servicer = SpeechServicer(backend, info, calls)
    background = _Background(catalog, default, pools, lexicon)
    readiness = StageReadiness(pools.values(), options.replica_wait_seconds)
    register = register_with(speech_pb2_grpc.add_SpeechServiceServicer_to_server, servicer)
    load = _load_of(admission)
    metrics.watch("barkserve_streams_waiting", lambda: admission.waiting)
    metrics.watch("barkserve_streams_resumed", lambda: admission.resumed)
    metrics.watch("barkserve_capacity_streams", lambda: admission.measured.streams)
    extra_services = (
        _status_service(options, pools, load),
        _riva_service(backend, calls, readiness),
    )
    return Service(
        ORCHESTRATOR.full_name,
        register,
        background.start,
        background.stop,
        load,
        extra_services,
        on_drain=servicer.start_draining,
        behind_vip=True,
        obstacle=readiness.obstacle,
    )


def _admission(
    options: OrchestratorOptions, pools: dict[StageName, StagePool], quotas: CallerQuotas
) -> StreamAdmission:
    """The admission of streams by the chosen policy.

    Raises:
        StartupError: an option has no effect with its value.
    """
    if not (0 < options.admission_share <= 1 and options.assumed_streams > 0):
        raise StartupError(
            "--admission-share must be above 0 and at most 1, --assumed-streams above 0"
        )
    capacity: Callable[[], Capacity] = RateCapacity(
        pools, options.admission_share, options.assumed_streams
    )
    if options.admission == "count":
        capacity = unlimited(capacity)
    return StreamAdmission(options.max_streams, capacity, options.queue_seconds, quotas.stream)


def _load_of(admission: StreamAdmission) -> ReadLoad:
    """Read the load of this service. Its queue is the demand that it could not meet."""
    read = load_of(admission)
    return lambda: replace(read(), queue=admission.unmet)


def _pools(options: OrchestratorOptions, revision: str) -> dict[StageName, StagePool]:
    """The replicas of every stage."""
    dialer = Dialer.from_options(options)
    return {
        stage: StagePool(
            stage,
            resolver_of(f"--{stage}", getattr(options, stage), service_named(stage).port),
            dialer,
            options.replica_wait_seconds,
            revision,
        )
        for stage in STAGES
    }


class _Background:
    """What runs as long as the service does: expiry of voices, discovery, the lexicon's reloads.

    Args:
        catalog: the voices.
        default: the voice of requests that name none.
        pools: the replicas.
        lexicon: the file of --lexicon; None without one.
    """

    def __init__(
        self,
        catalog: VoiceCatalog,
        default: str,
        pools: dict[StageName, StagePool],
        lexicon: ReloadedFile[ServerLexicon] | None,
    ) -> None:
        self._catalog = catalog
        self._default = default
        self._pools = pools
        self._lexicon = lexicon
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Start. Raises NotFound if the default voice does not exist."""
        if self._default != NO_VOICE:
            await self._catalog.get(self._default)
        self._tasks.append(asyncio.create_task(self._catalog.sweep_forever()))
        if self._lexicon is not None:
            self._tasks.append(asyncio.create_task(self._lexicon.follow()))
        for pool in self._pools.values():
            pool.start()

    async def stop(self) -> None:
        """Stop, and close all connections."""
        for task in self._tasks:
            task.cancel()
        for pool in self._pools.values():
            await pool.close()


def _lexicon_file(options: OrchestratorOptions) -> ReloadedFile[ServerLexicon] | None:
    """Read the lexicon, if one is configured.

    Raises:
        StartupError: it cannot be read or is not valid.
    """
    if not options.lexicon:
        return None
    return ReloadedFile("--lexicon", options.lexicon, parse_lexicon_file)


def _limits(options: OrchestratorOptions) -> Limits:
    return Limits(
        max_text_characters=options.max_text_characters,
        max_contexts=options.max_contexts,
        max_seconds_per_character=options.max_seconds_per_character,
        max_pending_flushes=options.max_pending_flushes,
        context_idle_s=options.context_idle_seconds,
        call_idle_s=options.call_idle_seconds,
        heartbeat_s=options.heartbeat_seconds,
    )


def _stored_voices(options: OrchestratorOptions, folder: CheckpointFolder) -> StoredVoices | None:
    """Open the voice store, if one is configured."""
    if not options.voice_store:
        return None
    blobs = open_blob_store(options.voice_store)
    named = VoiceStore(blobs, folder.bark, folder.name, options.max_stored_voices)
    handles = VoiceHandles(blobs.subfolder("handles"), named, options.voice_handle_seconds)
    return StoredVoices(named, handles)


def _server_info(
    options: OrchestratorOptions,
    folder: CheckpointFolder,
    default_voice: str,
    languages: Sequence[str],
) -> speech_pb2.GetServerInfoResponse:
    """Build the answer to GetServerInfo."""
    limits = speech_pb2.ServerLimits(
        max_text_characters=options.max_text_characters,
        max_contexts=options.max_contexts,
        max_streams=options.max_streams,
        max_stored_voices=options.max_stored_voices if options.voice_store else 0,
        voice_handle_seconds=int(options.voice_handle_seconds) if options.voice_store else 0,
    )
    return server_info(
        model=folder.name,
        model_revision=folder.fingerprint,
        sample_rate=folder.bark.sample_rate,
        default_voice=default_voice,
        languages=languages,
        limits=limits,
    )


def _status_service(
    options: OrchestratorOptions, pools: dict[StageName, StagePool], load: ReadLoad
) -> Service:
    """Build the status service; it has nothing to start or stop."""
    servicer = StatusServicer(pools, load, f"{options.host}:{options.port}")
    register = register_with(status_pb2_grpc.add_StatusServiceServicer_to_server, servicer)
    return Service(STATUS_SERVICE, register)


def _riva_service(backend: SpeechBackend, calls: HoldLimit, readiness: StageReadiness) -> Service:
    """Build the service with NVIDIA Riva's API; it has nothing to start or stop."""
    voices = RivaVoices(backend.catalog, backend.folder.name, backend.voices.default)
    servicer = RivaServicer(backend, voices, calls)
    add = riva_tts_pb2_grpc.add_RivaSpeechSynthesisServicer_to_server
    register = register_with(add, servicer)
    return Service(RIVA_SERVICE, register, obstacle=readiness.obstacle)
