"""Builds the codec service: codes to samples."""

from functools import partial

from barkserve.building.stage import (
    make_batcher,
    make_graphs,
    make_thread,
    max_batch_of,
    open_checkpoint,
)
from barkserve.codec.decoder import Decoder
from barkserve.codec.generator import CodecGenerator
from barkserve.codec.job import JobPlan
from barkserve.codec.servicer import CodecServicer
from barkserve.config.stages import CodecOptions
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
        options, decoder.decode, decoder.offload, thread, max_batch, metrics
    )
    generator = CodecGenerator(batcher, codec, plan)
    servicer = CodecServicer(generator, checkpoint.bark, admission, metrics)
    register = register_with(codec_pb2_grpc.add_CodecServiceServicer_to_server, servicer)
    books = checkpoint.bark.fine_generation.n_fine_codebooks
    warm_up = partial(generator.warm_up, books)
    start = start_with_warm_up(batcher.start, warm_up, memory_report(model))
    load = load_of(admission, batcher)
    return Service(
        CODEC.full_name,
        register,
        start,
        batcher.stop,
        load,
        wait_fatal=batcher.wait_fatal,
    )
