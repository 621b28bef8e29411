"""One stage as a process: the real server, servicer, engine and load reports, with a slow model.

python -m benchmarks.scaling.stage coarse --checkpoint FOLDER --port 50100
"""

import argparse
import asyncio
import logging
from dataclasses import dataclass
from pathlib import Path

from barkserve.checkpoint.folder import CheckpointFolder
from barkserve.coarse.generator import CoarseGenerator, coarse_heads
from barkserve.coarse.servicer import CoarseServicer
from barkserve.config.process import ServiceOptions
from barkserve.engine.batcher import Batcher
from barkserve.engine.engine import Engine
from barkserve.fine.chunk_planner import ChunkPlanner
from barkserve.fine.generator import FineGenerator
from barkserve.fine.servicer import FineServicer
from barkserve.semantic.alignment_head import AlignmentHeadFinder
from barkserve.semantic.generator import SemanticGenerator, semantic_head
from barkserve.semantic.servicer import SemanticServicer
from barkserve.semantic.text import TextEncoder
from barkserve.serving.admission import Admission
from barkserve.serving.load import load_of, slotted_load_of
from barkserve.serving.metrics import Metrics
from barkserve.serving.server import serve
from barkserve.serving.service import Service, register_with
from barkserve.v1 import coarse_pb2_grpc, codec_pb2_grpc, fine_pb2_grpc, semantic_pb2_grpc
from benchmarks.scaling.slow_model import (
    UTTERANCE_S,
    SlowFiller,
    SlowRunner,
    step_seconds,
)

MAX_CHUNK_FRAMES = 10
PLANNER = ChunkPlanner(8, 1.25, MAX_CHUNK_FRAMES, 3, MAX_CHUNK_FRAMES)
DEVICE_PLANNER = ChunkPlanner(22, 1.25, 75, 8, 128)
DRAIN_S = 30.0


@dataclass(frozen=True)
class Speed:
    """How fast the models are, and how many streams they take.

    Attributes:
        step_s: seconds for a step of any number of rows, and for eight windows or chunks, as on a
            GPU; 0: `COSTS`, each row as much, as on a CPU.
        slots: slots of the key/value cache.
    """

    step_s: float = 0.0
    slots: int = 16

    @property
    def batch(self) -> int:
        """Windows or chunks in one batch."""
        return 8 if self.step_s else 1

    def item_s(self, cost_s: float) -> float:
        """Seconds for a window or a chunk, which takes cost_s on a CPU."""
        return self.step_s / self.batch or cost_s


def build(stage: str, folder: CheckpointFolder, metrics: Metrics, speed: Speed) -> Service:
    """Build the service of a stage."""
    admission = Admission(max(64, speed.slots))
    if stage in ("semantic", "coarse"):
        return _autoregressive(stage, folder, admission, metrics, speed)
    return (_fine if stage == "fine" else _codec)(folder, admission, metrics, speed)


def _fine(
    folder: CheckpointFolder, admission: Admission, metrics: Metrics, speed: Speed
) -> Service:
    bark = folder.bark
    window_s = speed.item_s(step_seconds("fine", bark) * MAX_CHUNK_FRAMES)
    batcher = Batcher(SlowFiller(window_s, bark.codebook_size).fill, speed.batch)
    generator = FineGenerator(batcher, bark)
    planner = DEVICE_PLANNER if speed.step_s else PLANNER
    servicer = FineServicer(generator, bark, planner, admission, metrics)
    register = register_with(fine_pb2_grpc.add_FineServiceServicer_to_server, servicer)
    load = load_of(admission, batcher)
    return Service("barkserve.v1.fine", register, batcher.start, batcher.stop, load)


def _codec(
    folder: CheckpointFolder, admission: Admission, metrics: Metrics, speed: Speed
) -> Service:
    from barkserve.codec.generator import CodecGenerator
    from barkserve.codec.servicer import CodecServicer
    from benchmarks.scaling.slow_decoder import SlowDecoder

    bark = folder.bark
    frame_s = speed.step_s / MAX_CHUNK_FRAMES / speed.batch or step_seconds("codec", bark)
    decoder = SlowDecoder(frame_s, bark.codec.hop_length)
    batcher = Batcher(decoder.decode, speed.batch)
    generator = CodecGenerator(batcher, bark.codec)
    servicer = CodecServicer(generator, bark, admission, metrics)
    register = register_with(codec_pb2_grpc.add_CodecServiceServicer_to_server, servicer)
    load = load_of(admission, batcher)
    return Service("barkserve.v1.codec", register, batcher.start, batcher.stop, load)


def _autoregressive(
    stage: str, folder: CheckpointFolder, admission: Admission, metrics: Metrics, speed: Speed
) -> Service:
    bark, row_s = folder.bark, step_seconds(stage, folder.bark)
    heads = [semantic_head(bark)] if stage == "semantic" else coarse_heads(bark)
    length = round(UTTERANCE_S * bark.semantic_generation.semantic_rate_hz)
    engine = Engine(
        SlowRunner(
            speed.slots,
            heads,
            row_s,
            length,
            speed.step_s,
        )
    )
    if stage == "semantic":
        encoder = TextEncoder(folder)
        choice = AlignmentHeadFinder(engine, bark, encoder.encode)
        generator = SemanticGenerator(engine, bark, choice)
        register = register_with(
            semantic_pb2_grpc.add_SemanticServiceServicer_to_server,
            SemanticServicer(generator, encoder, bark, admission, metrics),
        )
    else:
        register = register_with(
            coarse_pb2_grpc.add_CoarseServiceServicer_to_server,
            CoarseServicer(CoarseGenerator(engine, bark), bark, admission, metrics),
        )
    load = slotted_load_of(admission, engine)
    return Service(f"barkserve.v1.{stage}", register, engine.start, engine.stop, load)


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stage")
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--step-seconds", type=float, default=Speed.step_s)
    parser.add_argument("--slots", type=int, default=Speed.slots)
    arguments = parser.parse_args()
    logging.basicConfig(level="WARNING")
    folder = CheckpointFolder.open(arguments.checkpoint)
    metrics = Metrics(arguments.stage)
    options = ServiceOptions(port=arguments.port, drain_seconds=DRAIN_S, exit_on_stdin_close=True)
    speed = Speed(arguments.step_seconds, arguments.slots)
    asyncio.run(serve(options, metrics, lambda: build(arguments.stage, folder, metrics, speed)))


if __name__ == "__main__":
    main()
