"""Builds the fine service: two codebooks to all of them."""

from barkserve.building.stage import (
    StageParts,
    make_batcher,
    make_graphs,
    make_thread,
    max_batch_of,
    open_checkpoint,
)
from barkserve.checkpoint.bark_config import BarkConfig
from barkserve.config.stages import FineOptions
from barkserve.engine.batcher import Batcher
from barkserve.engine.warm_up import start_with_warm_up
from barkserve.fine.filler import Fill, Filler, by_mode
from barkserve.fine.generator import Codes, FineGenerator
from barkserve.fine.job import FillJob
from barkserve.fine.servicer import FineServicer
from barkserve.fine.windows import ChunkPlan, FineGeometry
from barkserve.models.loading import load_fine
from barkserve.models.memory import memory_report
from barkserve.services import FINE
from barkserve.serving.load import load_of
from barkserve.serving.metrics import Metrics
from barkserve.serving.service import Service, register_with
from barkserve.v1 import fine_pb2_grpc


def build(options: FineOptions, metrics: Metrics) -> Service:
    """Build the service and load its model."""
    parts = build_parts(options, metrics)
    servicer = FineServicer(
        parts.generator, parts.bark, chunk_plan(options, parts.bark), parts.admission, metrics
    )
    return Service(
        FINE.full_name,
        register_with(fine_pb2_grpc.add_FineServiceServicer_to_server, servicer),
        parts.start,
        parts.loop.stop,
        load_of(parts.admission, parts.loop),
        wait_fatal=parts.loop.wait_fatal,
    )


def build_parts(
    options: FineOptions, metrics: Metrics
) -> StageParts[FineGenerator, Batcher[FillJob, Codes]]:
    """Load the model and build what fills codebooks with it."""
    thread = make_thread(options)
    checkpoint, placement = open_checkpoint(options)
    bark = checkpoint.bark
    given, books = bark.coarse_generation.n_coarse_codebooks, bark.fine_generation.n_fine_codebooks
    model = load_fine(checkpoint, placement)
    graphs = make_graphs(placement)
    filler = Filler(model, given, books, bark.codebook_size, graphs, thread.note_step)
    max_batch = max_batch_of(options, placement, on_gpu=8)
    filler.capture(max_batch, bark.fine_generation.max_fine_input_length)
    fill: Fill = filler.fill
    memory = memory_report(model)
    if options.streaming_dtype == "auto" and placement.fastest != placement:
        fast = load_fine(checkpoint, placement.fastest)
        streaming = Filler(fast, given, books, bark.codebook_size, None, thread.note_step)
        fill = by_mode(filler.fill, streaming.fill)
        memory += f"; for STREAMING, {memory_report(fast)}"
    batcher, admission = make_batcher(options, fill, filler.offload, thread, max_batch, metrics)
    generator = FineGenerator(batcher, bark)
    start = start_with_warm_up(batcher.start, generator.warm_up, memory)
    return StageParts(generator, batcher, start, admission, checkpoint)


def chunk_plan(options: FineOptions, bark: BarkConfig) -> ChunkPlan:
    """The chunks of STREAMING that the options describe."""
    most = FineGeometry.from_config(bark.fine_generation).max_new_frames
    return ChunkPlan(
        options.first_chunk_frames,
        options.chunk_growth,
        min(options.max_chunk_frames, most),
        options.lookahead_frames,
    )
