"""Builds the coarse service: semantic tokens to the first two codebooks."""

from barkserve.building.stage import (
    StageParts,
    make_engine,
    make_runner,
    make_thread,
    open_checkpoint,
)
from barkserve.coarse.generator import CoarseGenerator, coarse_heads
from barkserve.coarse.servicer import CoarseServicer
from barkserve.config.stages import CoarseOptions
from barkserve.engine.engine import Engine
from barkserve.engine.warm_up import start_with_warm_up
from barkserve.models.loading import load_coarse
from barkserve.services import COARSE
from barkserve.serving.load import slotted_load_of
from barkserve.serving.metrics import Metrics
from barkserve.serving.service import Service, register_with
from barkserve.v1 import coarse_pb2_grpc


def build(options: CoarseOptions, metrics: Metrics) -> Service:
    """Build the service and load its model."""
    parts = build_parts(options, metrics)
    servicer = CoarseServicer(parts.generator, parts.bark, parts.admission, metrics)
    return Service(
        COARSE.full_name,
        register_with(coarse_pb2_grpc.add_CoarseServiceServicer_to_server, servicer),
        parts.start,
        parts.loop.stop,
        slotted_load_of(parts.admission, parts.loop),
        wait_fatal=parts.loop.wait_fatal,
    )


def build_parts(options: CoarseOptions, metrics: Metrics) -> StageParts[CoarseGenerator, Engine]:
    """Load the model and build what generates codes with it."""
    thread = make_thread(options)
    checkpoint, placement = open_checkpoint(options)
    bark = checkpoint.bark
    model = load_coarse(checkpoint, placement)
    runner = make_runner(options, model, coarse_heads(bark), placement, ids_per_position=1)
    engine, admission = make_engine(options, checkpoint, runner, thread, metrics)
    generator = CoarseGenerator(engine, bark)
    start = start_with_warm_up(engine.start, generator.warm_up, runner.memory)
    return StageParts(generator, engine, start, admission, checkpoint)
