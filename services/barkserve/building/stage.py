"""Shared steps of the stage builders: threads, checkpoint, device, and what runs the model."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar, cast

import numpy as np
import torch
from numpy.typing import NDArray

from barkserve.building.stage_metrics import BatchMetrics, TokenBatchMetrics, watch_gpu_of
from barkserve.checkpoint.bark_config import BarkConfig
from barkserve.checkpoint.folder import bundled_checkpoint
from barkserve.checkpoint.tensors import Checkpoint
from barkserve.config.model import SlotOptions, check_offload
from barkserve.config.stages import (
    CoarseOptions,
    CodecOptions,
    FineOptions,
    SemanticOptions,
    StageOptions,
)
from barkserve.engine.batcher import Batcher
from barkserve.engine.core_share import CoreShare, available_cores
from barkserve.engine.device_residency import DeviceResidency, Offloadable, State
from barkserve.engine.engine import Engine
from barkserve.engine.graphs import Graphs, cuda_capture
from barkserve.engine.model_runner import ModelRunner
from barkserve.engine.model_thread import ModelThread
from barkserve.errors import StartupError
from barkserve.kernels.toolchain import triton_problem
from barkserve.models.causal import CausalModel
from barkserve.models.decode_plan import DecodePlan, Deterministic
from barkserve.models.device import DeviceCapabilities
from barkserve.models.loading import Placement
from barkserve.serving.admission import Admission
from barkserve.serving.metrics import Metrics

_log = logging.getLogger(__name__)

Generator = TypeVar("Generator")
Loop = TypeVar("Loop")
Job = TypeVar("Job")
Result = TypeVar("Result")

_PROMPT_POSITIONS = 512  # of several prompts in one pass: a CPU is full with few
_SLOTS_IN_HOST_MEMORY = 16
_CACHES_IN_FREE_MEMORY = 4


@dataclass(frozen=True)
class StageParts(Generic[Generator, Loop]):
    """A stage without its RPCs. Benchmarks run it in their own process.

    Attributes:
        generator: generates utterances while the loop runs.
        loop: the engine or batcher that runs the model.
        start: starts the loop and warms the stage up.
        admission: the admission of its streams.
        checkpoint: the checkpoint of its model.
    """

    generator: Generator
    loop: Loop
    start: Callable[[], Awaitable[None]]
    admission: Admission
    checkpoint: Checkpoint

    @property
    def bark(self) -> BarkConfig:
        """The configuration of the checkpoint."""
        return self.checkpoint.bark


def make_thread(options: StageOptions) -> ModelThread:
    """Make the model's thread, and limit this thread, which only loads, to one core.

    OpenMP keeps a team of threads for each caller. Two full teams would be more threads than
    cores, and every layer would wait for threads to wake: a step of bark-small took 1.5 times as
    long.
    """
    threads = options.threads or torch.get_num_threads()
    torch.set_num_threads(1)
    begin = partial(torch.set_num_threads, threads)
    device = DeviceCapabilities.parse(options.device)
    cores = _make_core_share(options) if device.is_host else None
    probe = None if device.is_host else device.synchronize  # after a failed kernel, it raises
    return ModelThread(begin, probe, options.step_timeout_seconds, cores)


def _make_core_share(options: StageOptions) -> CoreShare | None:
    """What shares the cores with other stages; None where nothing is shared."""
    if not options.core_share:
        return None
    set_threads = None if options.threads else torch.set_num_threads
    return CoreShare(options.core_share, available_cores(), set_threads)


def open_checkpoint(options: StageOptions) -> tuple[Checkpoint, Placement]:
    """Open the checkpoint, and decide where its model goes.

    Raises:
        StartupError: the options contradict each other.
    """
    check_offload(options.device, options.offload_idle_seconds)
    placement = Placement.parse(options.device, options.dtype, options.attention)
    if isinstance(options, SlotOptions) and options.drafts == "auto":
        placement = placement if options.deterministic == "on" else placement.drafting
    return Checkpoint.open(options.checkpoint or bundled_checkpoint()), placement


def max_batch_of(options: FineOptions | CodecOptions, placement: Placement, on_gpu: int) -> int:
    """Jobs in one model call: --max-batch; by default 1 on a CPU, and `on_gpu` elsewhere.

    Raises:
        StartupError: --deterministic on, and batches: each batch size may round differently.
    """
    if isinstance(options, FineOptions) and options.deterministic == "on":
        if options.max_batch > 1:
            raise StartupError(
                "--deterministic on fills one window at a time: leave out --max-batch, or use "
                "--deterministic off"
            )
        return 1
    return options.max_batch or (1 if placement.capabilities.is_host else on_gpu)


def slots_of(options: SemanticOptions | CoarseOptions, model: CausalModel) -> int:
    """Slots of the key/value cache: --slots, or what suits the device.

    Two stages of one GPU measure its free memory before either has its cache, and fine and codec
    need room for their activations. Hence a quarter for each cache.
    """
    if options.slots:
        return options.slots
    free = DeviceCapabilities.parse(options.device).free_bytes()
    if free is None:
        return _SLOTS_IN_HOST_MEMORY
    return max(1, min(options.max_streams, free // _CACHES_IN_FREE_MEMORY // model.slot_bytes))


def make_graphs(placement: Placement) -> Graphs | None:
    """Captured graphs, on a device that has them; None where they gain nothing."""
    if not placement.capabilities.captures_graphs or placement.attention == "eager":
        return None
    device = placement.device
    return Graphs(cuda_capture(device), device, placement.capabilities.free_bytes)


def make_runner(
    options: SemanticOptions | CoarseOptions,
    model: CausalModel,
    heads: Sequence[NDArray[np.int64]],
    placement: Placement,
    ids_per_position: int,
) -> ModelRunner:
    """Make what runs a causal model, and capture its graphs.

    Args:
        options: the options of the stage.
        model: the model.
        heads: for each head the token ids that it chooses from.
        placement: where the model is.
        ids_per_position: number of ids whose embeddings are summed at each position of a prompt.
    """
    slots = slots_of(options, model)
    plan = DecodePlan.choose(
        cast(Deterministic, options.deterministic),
        model.config,
        placement.capabilities,
        placement.dtype,
        slots,
        fusable=placement.attention in ("flash", "triton") and triton_problem() is None,
    )
    model.use_plan(plan)
    _log.info("attention: %s; decode steps: %s", placement.attention, plan)
    if placement.capabilities.runs_triton and (problem := triton_problem()):
        _log.warning("decode steps are slower than they could be: %s", problem)
    runner = ModelRunner(model, heads, slots, make_graphs(placement), _PROMPT_POSITIONS)
    runner.capture(ids_per_position)
    return runner


def make_engine(
    options: StageOptions,
    checkpoint: Checkpoint,
    runner: ModelRunner,
    thread: ModelThread,
    metrics: Metrics,
) -> tuple[Engine, Admission]:
    """Make the engine of a causal model, and the admission of its streams.

    Args:
        options: the options of the stage.
        checkpoint: where the model is from.
        runner: the model.
        thread: from `make_thread`.
        metrics: get gauges for slots and queue.
    """
    residency = _make_residency(options, runner.offload, metrics)
    engine = Engine(runner, thread, residency, TokenBatchMetrics(metrics).batch_ended)
    metrics.watch("barkserve_slots", lambda: engine.slots)
    metrics.watch("barkserve_slots_free", lambda: engine.free_slots)
    metrics.watch("barkserve_slots_running", lambda: engine.running)
    metrics.watch("barkserve_queue_depth", lambda: engine.waiting)
    return engine, _make_admission(options, checkpoint, residency)


def make_batcher(
    options: FineOptions | CodecOptions,
    checkpoint: Checkpoint,
    run: Callable[[list[Job]], list[Result]],
    offload: Callable[[], Offloadable],
    thread: ModelThread,
    max_batch: int,
    metrics: Metrics,
) -> tuple[Batcher[Job, Result], Admission]:
    """Make the batcher of a model without state, and the admission of its streams.

    Args:
        options: the options of the stage.
        checkpoint: where the model is from.
        run: runs the model on some jobs.
        offload: makes the handle that moves the model off its device.
        thread: from `make_thread`.
        max_batch: from `max_batch_of`.
        metrics: get a gauge for the queue.
    """
    residency = _make_residency(options, offload, metrics)
    kind = "fill" if isinstance(options, FineOptions) else "decode"
    batches = BatchMetrics(metrics, kind)
    batcher = Batcher(run, max_batch, thread, residency, batches.jobs_ended, kind)
    metrics.watch("barkserve_queue_depth", lambda: batcher.waiting)
    return batcher, _make_admission(options, checkpoint, residency)


def _make_admission(
    options: StageOptions, checkpoint: Checkpoint, residency: DeviceResidency
) -> Admission:
    """The admission of streams, each of which keeps the model on its device."""
    return Admission(
        options.max_streams,
        during=residency.reserve,
        first_message_s=options.first_message_seconds,
        input_idle_s=options.input_idle_seconds,
        checkpoint_revision=checkpoint.fingerprint,
    )


def _make_residency(
    options: StageOptions, offload: Callable[[], Offloadable], metrics: Metrics
) -> DeviceResidency:
    """What offloads the model while the stage is idle, with gauges of it and of the GPU."""
    watch_gpu_of(metrics, torch.device(options.device))
    if not options.offload_idle_seconds:
        return DeviceResidency()
    residency = DeviceResidency(offload(), options.offload_idle_seconds)
    metrics.watch("barkserve_weights_resident", lambda: residency.state is State.RESIDENT)
    metrics.watch("barkserve_offload_freed_bytes", lambda: residency.freed_bytes)
    metrics.watch("barkserve_offload_reload_seconds", lambda: residency.reload_s)
    return residency
