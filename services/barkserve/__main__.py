"""The composition root: reads the command line, builds one service from its parts and runs it.
Decides nothing else.

barkserve up [OPTIONS] [-- COMMAND]     all five on this machine
barkserve semantic|coarse|fine|codec|orchestrator|autoscaler [OPTIONS]
barkserve fetch --stage STAGE --to FOLDER [--checkpoint NAME]
"""

import argparse
import asyncio
import logging
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from barkserve import config
from barkserve.errors import BarkserveError, StartupError
from barkserve.serving.load import load_of
from barkserve.serving.metrics import Metrics
from barkserve.serving.server import Service, register_with, serve
from barkserve.wiring import (
    autoscaler,
    engine_load,
    pools_of,
    riva_service,
    server_options,
    status_service,
)

if TYPE_CHECKING:
    from barkserve.checkpoint_folder import CheckpointFolder
    from barkserve.engine.engine import Engine
    from barkserve.engine.graphs import Graphs
    from barkserve.models.checkpoint import Checkpoint
    from barkserve.models.loading import Placement
    from barkserve.orchestrator.voice_catalog import StoredVoices
    from barkserve.v1 import speech_pb2

_log = logging.getLogger("barkserve")

_PACKAGE = "barkserve.v1"


def semantic(options: config.SemanticOptions, metrics: Metrics) -> Service:
    """Text to semantic tokens."""
    from barkserve.engine.admission import Admission
    from barkserve.engine.engine import Engine
    from barkserve.engine.model_runner import ModelRunner
    from barkserve.engine.warm_up import started_warm
    from barkserve.models.loading import load_semantic
    from barkserve.semantic.generator import SemanticGenerator, semantic_head
    from barkserve.semantic.head_choice import HeadChoice
    from barkserve.semantic.servicer import SemanticServicer
    from barkserve.semantic.text import TextEncoder
    from barkserve.v1 import semantic_pb2_grpc

    begin = _threads(options)
    checkpoint, placement = _open(options)
    bark = checkpoint.bark
    model = load_semantic(checkpoint, placement)
    runner = ModelRunner(model, [semantic_head(bark)], options.slots, _graphs(placement))
    runner.capture(ids_a_position=2)
    engine = Engine(runner, _prefill_positions(options), begin)
    _watch_engine(metrics, engine)
    encoder = TextEncoder(checkpoint)
    heads = HeadChoice(engine, bark, encoder.encode)
    generator = SemanticGenerator(engine, bark, heads)
    admission = Admission(options.max_streams)
    servicer = SemanticServicer(generator, encoder, bark, admission, metrics)
    register = register_with(semantic_pb2_grpc.add_SemanticServiceServicer_to_server, servicer)
    start = started_warm(engine.start, generator.warm_up, runner.memory)
    load = engine_load(admission, engine)
    return Service(f"{_PACKAGE}.SemanticService", register, start, engine.stop, load)


def coarse(options: config.CoarseOptions, metrics: Metrics) -> Service:
    """Semantic tokens to the first two codebooks."""
    from barkserve.coarse.generator import CoarseGenerator, coarse_heads
    from barkserve.coarse.servicer import CoarseServicer
    from barkserve.engine.admission import Admission
    from barkserve.engine.engine import Engine
    from barkserve.engine.model_runner import ModelRunner
    from barkserve.engine.warm_up import started_warm
    from barkserve.models.loading import load_coarse
    from barkserve.v1 import coarse_pb2_grpc

    begin = _threads(options)
    checkpoint, placement = _open(options)
    bark = checkpoint.bark
    model = load_coarse(checkpoint, placement)
    runner = ModelRunner(model, coarse_heads(bark), options.slots, _graphs(placement))
    runner.capture(ids_a_position=1)
    engine = Engine(runner, _prefill_positions(options), begin)
    _watch_engine(metrics, engine)
    admission = Admission(options.max_streams)
    generator = CoarseGenerator(engine, bark)
    servicer = CoarseServicer(generator, bark, admission, metrics)
    register = register_with(coarse_pb2_grpc.add_CoarseServiceServicer_to_server, servicer)
    start = started_warm(engine.start, generator.warm_up, runner.memory)
    load = engine_load(admission, engine)
    return Service(f"{_PACKAGE}.CoarseService", register, start, engine.stop, load)


def fine(options: config.FineOptions, metrics: Metrics) -> Service:
    """Two codebooks to all of them."""
    from barkserve.engine.admission import Admission
    from barkserve.engine.batcher import Batcher
    from barkserve.engine.warm_up import started_warm
    from barkserve.fine.filler import Filler
    from barkserve.fine.generator import FineGenerator
    from barkserve.fine.servicer import FineServicer
    from barkserve.fine.windows import ChunkPlan
    from barkserve.models.loading import load_fine
    from barkserve.models.memory import memory_report
    from barkserve.v1 import fine_pb2_grpc

    begin = _threads(options)
    checkpoint, placement = _open(options)
    bark = checkpoint.bark
    given, books = bark.coarse_generation.n_coarse_codebooks, bark.fine_generation.n_fine_codebooks
    model = load_fine(checkpoint, placement)
    filler = Filler(model, given, books, bark.codebook_size, _graphs(placement))
    batcher = Batcher(filler.fill, _max_batch(options), begin)
    filler.capture(_max_batch(options), bark.fine_generation.max_fine_input_length)
    metrics.watch("queue_depth", "Windows waiting for the network", lambda: batcher.waiting)
    chunks = ChunkPlan(options.first_chunk_frames, options.chunk_frames, options.lookahead_frames)
    admission = Admission(options.max_streams)
    generator = FineGenerator(batcher, bark)
    servicer = FineServicer(generator, bark, chunks, admission, metrics)
    register = register_with(fine_pb2_grpc.add_FineServiceServicer_to_server, servicer)
    start = started_warm(batcher.start, generator.warm_up, memory_report(model))
    load = load_of(admission, batcher)
    return Service(f"{_PACKAGE}.FineService", register, start, batcher.stop, load)


def codec(options: config.CodecOptions, metrics: Metrics) -> Service:
    """Codes to samples."""
    from barkserve.codec.decoder import Decoder
    from barkserve.codec.generator import CodecGenerator
    from barkserve.codec.servicer import CodecServicer
    from barkserve.engine.admission import Admission
    from barkserve.engine.batcher import Batcher
    from barkserve.engine.warm_up import started_warm
    from barkserve.models.loading import load_codec
    from barkserve.models.memory import memory_report
    from barkserve.v1 import codec_pb2_grpc

    begin = _threads(options)
    checkpoint, placement = _open(options)
    model = load_codec(checkpoint, placement)
    batcher = Batcher(Decoder(model).decode, _max_batch(options), begin)
    metrics.watch("queue_depth", "Chunks waiting for the network", lambda: batcher.waiting)
    generator = CodecGenerator(batcher, model.first_frames, checkpoint.bark.sample_rate)
    admission = Admission(options.max_streams)
    servicer = CodecServicer(generator, checkpoint.bark, admission, metrics)
    register = register_with(codec_pb2_grpc.add_CodecServiceServicer_to_server, servicer)
    books = checkpoint.bark.fine_generation.n_fine_codebooks
    warm_up = partial(generator.warm_up, books)
    start = started_warm(batcher.start, warm_up, memory_report(model))
    load = load_of(admission, batcher)
    return Service(f"{_PACKAGE}.CodecService", register, start, batcher.stop, load)


def orchestrator(options: config.OrchestratorOptions, metrics: Metrics) -> Service:
    """The public service; needs no torch."""
    from barkserve.checkpoint_folder import CheckpointFolder, embedded_checkpoint
    from barkserve.constants import NO_VOICE
    from barkserve.engine.admission import Admission
    from barkserve.orchestrator.limits import Limits
    from barkserve.orchestrator.pipeline import Chain
    from barkserve.orchestrator.servicer import SpeechServicer
    from barkserve.orchestrator.talk import Studio
    from barkserve.orchestrator.text.budget import Budget, spells_out
    from barkserve.orchestrator.voice_catalog import VoiceCatalog
    from barkserve.orchestrator.voice_rpcs import VoiceRpcs
    from barkserve.orchestrator.voice_selection import VoiceSelector
    from barkserve.v1 import speech_pb2_grpc
    from barkserve.voices import VoiceLibrary

    folder = CheckpointFolder.open(options.checkpoint or embedded_checkpoint())
    library = VoiceLibrary(folder)
    catalog = VoiceCatalog(library, _stored_voices(options, folder))
    default = options.voice or library.default or NO_VOICE
    pools = pools_of(options)
    selector = VoiceSelector(catalog, folder.bark, default)
    admission = Admission(options.max_streams)
    studio = Studio(
        chain=Chain(pools, folder.bark),
        folder=folder,
        voices=selector,
        budget=Budget.of(folder.bark, spelled=spells_out(folder.path)),
        limits=Limits(
            options.max_text_characters,
            options.max_contexts,
            options.max_streams,
            options.max_seconds_per_character,
        ),
        metrics=metrics,
    )
    info = _server_info(options, folder, default)
    servicer = SpeechServicer(studio, VoiceRpcs(catalog, selector), info, admission)
    sweeping: list[asyncio.Task[None]] = []

    async def start() -> None:
        if default != NO_VOICE:
            await catalog.get(default)  # a mistyped default must fail now, not at the first request
        sweeping.append(asyncio.create_task(catalog.sweep_forever()))
        for pool in pools.values():
            pool.start()

    async def stop() -> None:
        for task in sweeping:
            task.cancel()
        for pool in pools.values():
            await pool.close()

    register = register_with(speech_pb2_grpc.add_SpeechServiceServicer_to_server, servicer)
    load = load_of(admission)
    beside = (status_service(options, pools, load), riva_service(studio, catalog, admission))
    return Service(f"{_PACKAGE}.SpeechService", register, start, stop, load, beside)


def _stored_voices(
    options: config.OrchestratorOptions, folder: "CheckpointFolder"
) -> "StoredVoices | None":
    """The voice store, if there is to be one."""
    from barkserve.orchestrator.voice_catalog import StoredVoices
    from barkserve.orchestrator.voice_files import open_files
    from barkserve.orchestrator.voice_handles import VoiceHandles
    from barkserve.orchestrator.voice_store import VoiceStore

    if not options.voice_store:
        return None
    files = open_files(options.voice_store)
    named = VoiceStore(files, folder.bark, folder.name, options.max_stored_voices)
    handles = VoiceHandles(files.child("handles"), named, options.voice_handle_seconds)
    return StoredVoices(named, handles)


def _server_info(
    options: config.OrchestratorOptions, folder: "CheckpointFolder", default_voice: str
) -> "speech_pb2.GetServerInfoResponse":
    """What GetServerInfo says of these options."""
    from barkserve.orchestrator.server_info import server_info
    from barkserve.orchestrator.text.sentences import LANGUAGES
    from barkserve.v1 import speech_pb2

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
        languages=LANGUAGES,
        limits=limits,
    )


_SERVICES: dict[str, tuple[type[Any], Callable[[Any, Metrics], Service]]] = {
    "semantic": (config.SemanticOptions, semantic),
    "coarse": (config.CoarseOptions, coarse),
    "fine": (config.FineOptions, fine),
    "codec": (config.CodecOptions, codec),
    "orchestrator": (config.OrchestratorOptions, orchestrator),
    "autoscaler": (config.AutoscalerOptions, autoscaler),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code. Never shows a traceback for a foreseen
    failure."""
    words = list(sys.argv[1:] if argv is None else argv)
    words, command = _split_command(words)
    arguments = _parser().parse_args(words)
    environment = config.environment()
    try:
        for name in config.unknown_variables(
            environment,
            [config.UpOptions, config.FetchOptions, *(kind for kind, _ in _SERVICES.values())],
        ):
            raise StartupError(
                f"{name} is set but is no option of barkserve; see `barkserve SERVICE --help`"
            )
        if arguments.service == "up":
            from barkserve.up import up

            return asyncio.run(
                up(config.read_options(config.UpOptions, arguments, environment), command)
            )
        if arguments.service == "fetch":
            from barkserve.fetch.command import fetch

            fetch(config.read_options(config.FetchOptions, arguments, environment), sys.stderr)
            return 0
        return _run_service(arguments, environment)
    except BarkserveError as error:
        print(f"barkserve {arguments.service}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _run_service(arguments: argparse.Namespace, environment: Any) -> int:
    kind, build = _SERVICES[arguments.service]
    options = config.read_options(kind, arguments, environment)
    logging.basicConfig(
        level=options.log_level.upper(),
        format=f"%(asctime)s {arguments.service} %(levelname)s %(message)s",
    )
    # A first download takes minutes: it is said at any level.
    logging.getLogger("barkserve.download").setLevel(logging.INFO)
    metrics = Metrics(arguments.service)
    try:
        asyncio.run(serve(server_options(options), metrics, lambda: build(options, metrics)))
    except ModuleNotFoundError as error:
        raise StartupError(
            f"this service needs {error.name}: pip install 'barkserve[stages]'"
        ) from error
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="barkserve", description="Bark text-to-speech as a chain of gRPC services."
    )
    commands = parser.add_subparsers(dest="service", required=True, metavar="SERVICE")
    summary = "all five services on this machine; with `-- COMMAND`, until that command ends"
    config.add_options(
        commands.add_parser("up", help=summary, description=summary), config.UpOptions
    )
    summary = "write what one service needs of a checkpoint into a folder, for a volume"
    config.add_options(
        commands.add_parser("fetch", help=summary, description=summary), config.FetchOptions
    )
    for name, (kind, build) in _SERVICES.items():
        command = commands.add_parser(name, help=build.__doc__, description=build.__doc__)
        config.add_options(command, kind)
    return parser


def _split_command(words: list[str]) -> tuple[list[str], list[str]]:
    """What stands before `--` and what stands behind it."""
    if "--" not in words:
        return words, []
    at = words.index("--")
    return words[:at], words[at + 1 :]


def _threads(options: config.StageOptions) -> Callable[[], None]:
    """Keeps this thread, which only loads, to one core; returns what gives the network's own thread
    its cores. With a team of OpenMP threads for each, the two would be more than there are cores,
    and every layer would wait for sleepers to wake: half as long again for a step of bark-small."""
    import torch

    threads = options.threads or torch.get_num_threads()
    torch.set_num_threads(1)
    return partial(torch.set_num_threads, threads)


def _open(options: config.StageOptions) -> "tuple[Checkpoint, Placement]":
    """The checkpoint, and where its networks go."""
    from barkserve.checkpoint_folder import embedded_checkpoint
    from barkserve.models.checkpoint import Checkpoint
    from barkserve.models.loading import Placement

    placement = Placement.of(options.device, options.dtype, options.attention)  # type: ignore[arg-type]
    return Checkpoint.open(options.checkpoint or embedded_checkpoint()), placement


def _max_batch(options: config.FineOptions | config.CodecOptions) -> int:
    return options.max_batch or (1 if options.device == "cpu" else 8)


def _graphs(placement: "Placement") -> "Graphs | None":
    """Captured graphs, where there is something to gain: on a GPU."""
    from barkserve.engine.graphs import Graphs, cuda_capture

    if placement.device.type != "cuda" or placement.attention == "eager":
        return None
    return Graphs(cuda_capture(placement.device))


def _prefill_positions(options: config.StageOptions) -> int:
    """A CPU gains nothing from more than fills its cores; a GPU needs many to be filled."""
    return 512 if options.device == "cpu" else 8192


def _watch_engine(metrics: Metrics, engine: "Engine") -> None:
    metrics.watch("slots", "Slots of the key/value cache", lambda: engine.slots)
    metrics.watch(
        "slots_free", "Slots that a new sequence could have now", lambda: engine.free_slots
    )
    metrics.watch(
        "slots_running", "Slots of sequences that are being continued", lambda: engine.running
    )
    metrics.watch("queue_depth", "Sequences waiting for a slot", lambda: engine.waiting)


if __name__ == "__main__":
    sys.exit(main())
