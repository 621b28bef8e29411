"""Builds the semantic service: text to semantic tokens."""

from barkserve.building.stage import (
    StageParts,
    make_engine,
    make_runner,
    make_thread,
    open_checkpoint,
)
from barkserve.config.stages import SemanticOptions
from barkserve.engine.engine import Engine
from barkserve.engine.warm_up import start_with_warm_up
from barkserve.models.loading import load_semantic
from barkserve.semantic.alignment_head import AlignmentHeadFinder
from barkserve.semantic.generator import SemanticGenerator, semantic_head
from barkserve.semantic.servicer import SemanticServicer
from barkserve.semantic.text import TextEncoder
from barkserve.services import SEMANTIC
from barkserve.serving.load import slotted_load_of
from barkserve.serving.metrics import Metrics
from barkserve.serving.service import Service, register_with
from barkserve.v1 import semantic_pb2_grpc


def build(options: SemanticOptions, metrics: Metrics) -> Service:
    """Build the service and load its model."""
    parts = build_parts(options, metrics)
    encoder = TextEncoder(parts.checkpoint)
    servicer = SemanticServicer(parts.generator, encoder, parts.bark, parts.admission, metrics)
    return Service(
        SEMANTIC.full_name,
        register_with(semantic_pb2_grpc.add_SemanticServiceServicer_to_server, servicer),
        parts.start,
        parts.loop.stop,
        slotted_load_of(parts.admission, parts.loop),
        wait_fatal=parts.loop.wait_fatal,
    )


def build_parts(
    options: SemanticOptions, metrics: Metrics
) -> StageParts[SemanticGenerator, Engine]:
    """Load the model and build what generates tokens with it."""
    thread = make_thread(options)
    checkpoint, placement = open_checkpoint(options)
    bark = checkpoint.bark
    model = load_semantic(checkpoint, placement)
    runner = make_runner(options, model, [semantic_head(bark)], placement, ids_per_position=2)
    engine, admission = make_engine(options, checkpoint, runner, thread, metrics)
    encoder = TextEncoder(checkpoint)
    heads = AlignmentHeadFinder(engine, bark, encoder.encode)
    generator = SemanticGenerator(engine, bark, heads)
    start = start_with_warm_up(engine.start, generator.warm_up, runner.memory)
    return StageParts(generator, engine, start, admission, checkpoint)
