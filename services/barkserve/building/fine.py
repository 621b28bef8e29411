"""Builds the fine service: two codebooks to all of them."""

import logging
import time
from dataclasses import dataclass, replace

from barkserve.building.stage import (
    StageParts,
    make_batcher,
    make_graphs,
    make_thread,
    max_batch_of,
    open_checkpoint,
)
from barkserve.config.stages import FineOptions
from barkserve.engine.batcher import Batcher
from barkserve.engine.warm_up import start_with_warm_up
from barkserve.fine.chunk_planner import FIRST_FRAMES, ChunkPlanner
from barkserve.fine.fill_time import measure_fill
from barkserve.fine.filler import Fill, Filler, by_mode
from barkserve.fine.generator import Codes, FineGenerator
from barkserve.fine.job import FillJob
from barkserve.fine.servicer import FineServicer
from barkserve.fine.windows import FineGeometry
from barkserve.models.loading import load_fine
from barkserve.models.memory import memory_report
from barkserve.services import FINE
from barkserve.serving.load import ReadLoad, load_of
from barkserve.serving.metrics import Metrics
from barkserve.serving.service import Service, register_with
from barkserve.v1 import fine_pb2_grpc

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FineParts(StageParts[FineGenerator, Batcher[FillJob, Codes]]):
    """The fine stage without its RPCs.

    Attributes:
        planner: when STREAMING fills.
    """

    planner: ChunkPlanner


def build(options: FineOptions, metrics: Metrics) -> Service:
    """Build the service and load its model."""
    parts = build_parts(options, metrics)
    servicer = FineServicer(parts.generator, parts.bark, parts.planner, parts.admission, metrics)
    return Service(
        FINE.full_name,
        register_with(fine_pb2_grpc.add_FineServiceServicer_to_server, servicer),
        parts.start,
        parts.loop.stop,
        _with_plan(load_of(parts.admission, parts.loop), parts.planner),
        wait_fatal=parts.loop.wait_fatal,
    )


def build_parts(options: FineOptions, metrics: Metrics) -> FineParts:
    """Load the model and build what fills codebooks with it."""
    thread = make_thread(options)
    checkpoint, placement = open_checkpoint(options)
    bark = checkpoint.bark
    given, books = bark.coarse_generation.n_coarse_codebooks, bark.fine_generation.n_fine_codebooks
    model = load_fine(checkpoint, placement)
    graphs = make_graphs(placement)
    filler = Filler(model, given, books, bark.codebook_size, graphs, thread.note_step)
    max_batch = max_batch_of(options, placement, on_gpu=8)
    window, on_host = bark.fine_generation.max_fine_input_length, placement.capabilities.is_host
    filler.capture(max_batch, window)
    fill: Fill = filler.fill
    memory, streaming_model = memory_report(model), model
    if options.streaming_dtype == "auto" and placement.fastest != placement:
        streaming_model = load_fine(checkpoint, placement.fastest)
        streaming = Filler(
            streaming_model, given, books, bark.codebook_size, None, thread.note_step
        )
        fill = by_mode(filler.fill, streaming.fill)
        memory += f"; for STREAMING, {memory_report(streaming_model)}"
    batcher, admission = make_batcher(
        options, checkpoint, fill, filler.offload, thread, max_batch, metrics
    )
    planner = ChunkPlanner(
        options.first_chunk_frames or (FIRST_FRAMES if on_host else 0),
        options.chunk_growth,
        options.max_chunk_frames,
        options.lookahead_frames,
        FineGeometry.from_config(bark.fine_generation).max_new_frames,
    )
    # Measured in this thread, which has one core: thread.note_step would take more.
    timed = Filler(streaming_model, given, books, bark.codebook_size).fill if on_host else fill
    clock = time.thread_time if on_host else time.perf_counter
    planner.note_fill(measure_fill(timed, window, books, bark.codebook_size, clock))
    generator = FineGenerator(batcher, bark)
    start = start_with_warm_up(batcher.start, generator.warm_up, memory)
    return FineParts(generator, batcher, start, admission, checkpoint, planner)


def _with_plan(read: ReadLoad, planner: ChunkPlanner) -> ReadLoad:
    """Report the chunk plan with the load: the orchestrator takes that of the slowest replica."""
    plan = planner.plan
    _log.info(
        "a fill takes %.3f s: chunks of %d frames, growing by %g to %d",
        planner.fill_s, plan.first, plan.growth, plan.most,
    )  # fmt: skip
    return lambda: replace(
        read(),
        chunk_first=plan.first,
        chunk_growth=plan.growth,
        chunk_most=plan.most,
        chunk_lookahead=plan.lookahead,
    )
