"""Builds the codec service: codes to samples."""

from functools import partial

from barkserve.building.stage import (
    StageParts,
    make_batcher,
    make_graphs,
    make_thread,
    max_batch_of,
    open_checkpoint,
)
from barkserve.codec.decoder import Decoder
from barkserve.codec.generator import CodecGenerator
from barkserve.codec.job import Decoded, DecodeJob, JobPlan
from barkserve.codec.servicer import CodecServicer
from barkserve.config.stages import CodecOptions
from barkserve.engine.batcher import Batcher
from barkserve.engine.warm_up import start_with_warm_up
from barkserve.models.loading import load_codec
from barkserve.models.memory import memory_report
from barkserve.services import CODEC
from barkserve.serving.load import load_of
from barkserve.serving.metrics import Metrics
from barkserve.serving.service import Service, register_with
from barkserve.v1 import codec_pb2_grpc


def build(options: CodecOptions, metrics: Metrics) -> Service:
    """Build the service and load its model."""
    parts = build_parts(options, metrics)
    servicer = CodecServicer(parts.generator, parts.bark, parts.admission, metrics)
    return Service(
        CODEC.full_name,
        register_with(codec_pb2_grpc.add_CodecServiceServicer_to_server, servicer),
        parts.start,
        parts.loop.stop,
        load_of(parts.admission, parts.loop),
        wait_fatal=parts.loop.wait_fatal,
    )


def build_parts(
    options: CodecOptions, metrics: Metrics
) -> StageParts[CodecGenerator, Batcher[DecodeJob, Decoded]]:
    """Load the model and build what decodes codes with it."""
    thread = make_thread(options)
    checkpoint, placement = open_checkpoint(options)
    model = load_codec(checkpoint, placement)
    codec, graphs = checkpoint.bark.codec, make_graphs(placement)
    max_batch = max_batch_of(options, placement, on_gpu=16)
    batched = graphs is not None or max_batch > 1
    plan = JobPlan.in_pieces(codec) if batched else JobPlan.as_they_arrive(codec)
    decoder = Decoder(model, plan, graphs, max_batch)
    decoder.capture()
    batcher, admission = make_batcher(
        options, checkpoint, decoder.decode, decoder.offload, thread, max_batch, metrics
    )
    generator = CodecGenerator(batcher, codec, plan)
    books = checkpoint.bark.fine_generation.n_fine_codebooks
    warm_up = partial(generator.warm_up, books)
    start = start_with_warm_up(batcher.start, warm_up, memory_report(model))
    return StageParts(generator, batcher, start, admission, checkpoint)
