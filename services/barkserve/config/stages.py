"""The options of the stages: one class per stage."""

from dataclasses import dataclass

from barkserve.config.model import (
    CheckpointOptions,
    DeterministicOptions,
    ModelOptions,
    SlotOptions,
    StreamingOptions,
)
from barkserve.config.process import ServiceOptions
from barkserve.config.texts import METRICS_PORT, PORT
from barkserve.options import option, port_option

_MAX_BATCH = "auto means 1 on a CPU (every stream stays bit-exact) and {} on a GPU"


@dataclass(frozen=True)
class StageOptions(ModelOptions, CheckpointOptions, ServiceOptions):
    """Options of every stage: a service with a model."""

    max_streams: int = option(
        64,
        "streams accepted at once, including those that wait for a slot; others are rejected",
        least=1,
    )
    first_message_seconds: float = option(
        10.0, "time that an accepted stream has to send its first messages; 0 means no limit"
    )
    input_idle_seconds: float = option(
        300.0, "time that a stage waits for the next input of a stream; 0 means no limit"
    )
    step_timeout_seconds: float = option(
        60.0,
        "time that one pass of the model may take; after that the stage writes all stacks to its "
        "log and ends with exit code 75; 0 means no limit",
    )
    core_share: str = option(
        "",
        "FILE:SLOT of the file through which the stages of one machine share its cores; with "
        "--threads 0 and --device cpu, the number of threads then follows the load (set by "
        "`barkserve up`)",
    )


@dataclass(frozen=True)
class SemanticOptions(SlotOptions, StageOptions):
    """Options of `barkserve semantic`."""

    port: int = port_option(50052, PORT)
    metrics_port: int = port_option(9465, METRICS_PORT)


@dataclass(frozen=True)
class CoarseOptions(SlotOptions, StageOptions):
    """Options of `barkserve coarse`."""

    port: int = port_option(50053, PORT)
    metrics_port: int = port_option(9466, METRICS_PORT)


@dataclass(frozen=True)
class FineOptions(StreamingOptions, DeterministicOptions, StageOptions):
    """Options of `barkserve fine`."""

    port: int = port_option(50054, PORT)
    metrics_port: int = port_option(9467, METRICS_PORT)
    max_batch: int = option(
        0, f"windows of different streams in one model call; {_MAX_BATCH.format(8)}", auto=True
    )
    first_chunk_frames: int = option(
        0,
        "STREAMING: frames (1/75 s each) in the first chunk of an utterance; auto means 22, and 15 "
        "on a GPU that needs at most 0.05 s for a fill",
        least=1,
        auto=True,
    )
    chunk_growth: float = option(
        0.0,
        "STREAMING: length of a chunk relative to the chunk before it; playback does not underrun "
        "while the real-time factor is below 1/growth; 1 keeps all chunks at the first one's "
        "length; auto means 1.25 to 4, the more the longer a fill takes",
        least=1,
        auto=True,
    )
    max_chunk_frames: int = option(
        0,
        "STREAMING: most frames in a later chunk, limited by the model's window; auto means 75 to "
        "512, the more the longer a fill takes",
        least=1,
        auto=True,
    )
    lookahead_frames: int = option(
        8, "STREAMING: frames to the right that the model sees before it decides a frame"
    )


@dataclass(frozen=True)
class CodecOptions(StageOptions):
    """Options of `barkserve codec`."""

    port: int = port_option(50055, PORT)
    metrics_port: int = port_option(9468, METRICS_PORT)
    max_batch: int = option(
        0, f"chunks of different streams in one model call; {_MAX_BATCH.format(16)}", auto=True
    )
