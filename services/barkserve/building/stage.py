"""What the builders of the four stages share: the checkpoint, the threads, and what runs a model,
beside who is let in to it.
"""

from collections.abc import Callable
from functools import partial
from typing import TypeVar

import torch

from barkserve.checkpoint.folder import bundled_checkpoint
from barkserve.checkpoint.tensors import Checkpoint
from barkserve.config import CodecOptions, FineOptions, StageOptions, check_offload
from barkserve.engine.batcher import Batcher
from barkserve.engine.device_residency import DeviceResidency, Offloadable, State
from barkserve.engine.engine import Engine
from barkserve.engine.graphs import Graphs, cuda_capture
from barkserve.engine.model_runner import ModelRunner
from barkserve.engine.model_thread import ModelThread
from barkserve.models.loading import Placement
from barkserve.serving.admission import Admission
from barkserve.serving.metrics import Metrics

Job = TypeVar("Job")
Result = TypeVar("Result")


def thread_plan(options: StageOptions) -> Callable[[], None]:
    """Keeps this thread, which only loads, to one core; returns what gives the model's own thread
    its cores. With a team of OpenMP threads for each, the two would be more than there are cores,
    and every layer would wait for sleepers to wake: half as long again for a step of bark-small.
    """
    threads = options.threads or torch.get_num_threads()
    torch.set_num_threads(1)
    return partial(torch.set_num_threads, threads)


def open_checkpoint(options: StageOptions) -> tuple[Checkpoint, Placement]:
    """The checkpoint, and where its models go. Raises StartupError for options that do not go
    together.
    """
    check_offload(options.device, options.offload_idle_seconds)
    placement = Placement.of(options.device, options.dtype, options.attention)  # type: ignore[arg-type]
    return Checkpoint.open(options.checkpoint or bundled_checkpoint()), placement


def max_batch_of(options: FineOptions | CodecOptions) -> int:
    """Jobs in one pass: what was asked for, or what suits the device."""
    return options.max_batch or (1 if options.device == "cpu" else 8)


def graphs_of(placement: Placement) -> Graphs | None:
    """Captured graphs, where there is something to gain: on a GPU."""
    if placement.device.type != "cuda" or placement.attention == "eager":
        return None
    return Graphs(cuda_capture(placement.device))


def engine_of(
    options: StageOptions, runner: ModelRunner, begin: Callable[[], None], metrics: Metrics
) -> tuple[Engine, Admission]:
    """What runs a causal model, and who is let in to it.

    Args:
        options: the stage's.
        runner: the model.
        begin: from thread_plan().
        metrics: get the slots and the queue.
    """
    residency = _residency_of(options, runner.offload, metrics)
    thread = ModelThread(begin, _synchronize_of(options))
    engine = Engine(runner, _prefill_positions(options), thread, residency)
    metrics.watch("slots", "Slots of the key/value cache", lambda: engine.slots)
    metrics.watch(
        "slots_free", "Slots that a new sequence could have now", lambda: engine.free_slots
    )
    metrics.watch(
        "slots_running", "Slots of sequences that are being continued", lambda: engine.running
    )
    metrics.watch("queue_depth", "Sequences waiting for a slot", lambda: engine.waiting)
    return engine, Admission(options.max_streams, during=residency.expected)


def batcher_of(
    options: FineOptions | CodecOptions,
    run: Callable[[list[Job]], list[Result]],
    place: Callable[[], Offloadable],
    begin: Callable[[], None],
    metrics: Metrics,
) -> tuple[Batcher[Job, Result], Admission]:
    """What runs a model that keeps nothing between calls, and who is let in to it.

    Args:
        options: the stage's.
        run: does the work of some jobs.
        place: makes what the model occupies.
        begin: from thread_plan().
        metrics: get the queue.
    """
    residency = _residency_of(options, place, metrics)
    thread = ModelThread(begin, _synchronize_of(options))
    batcher = Batcher(run, max_batch_of(options), thread, residency)
    metrics.watch("queue_depth", "Jobs waiting for the model", lambda: batcher.waiting)
    return batcher, Admission(options.max_streams, during=residency.expected)


def _synchronize_of(options: StageOptions) -> Callable[[], None] | None:
    """CUDA tells of a kernel that went wrong whenever it is asked, from then on."""
    on_gpu = options.device.startswith("cuda")
    return partial(torch.cuda.synchronize, options.device) if on_gpu else None


def _residency_of(
    options: StageOptions, place: Callable[[], Offloadable], metrics: Metrics
) -> DeviceResidency:
    """Whether the model may leave its device, and what is reported of that."""
    if not options.offload_idle_seconds:
        return DeviceResidency()
    residency = DeviceResidency(place(), options.offload_idle_seconds)
    metrics.watch(
        "weights_resident",
        "1 while the weights are on the device, 0 while they are in host memory or on the way",
        lambda: residency.state is State.RESIDENT,
    )
    metrics.watch(
        "offload_freed_bytes",
        "Device memory that the last move to host memory gave back",
        lambda: residency.freed_bytes,
    )
    metrics.watch(
        "offload_return_seconds",
        "How long the last return to the device took",
        lambda: residency.return_s,
    )
    return residency


def _prefill_positions(options: StageOptions) -> int:
    """A CPU gains nothing from more than fills its cores; a GPU needs many to be filled."""
    return 512 if options.device == "cpu" else 8192
