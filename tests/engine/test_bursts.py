"""Bursts: the same tokens for any length, and host work that does not grow with rows and steps."""

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes

from barkserve.checkpoint.folder import bundled_checkpoint
from barkserve.engine import limits
from barkserve.engine.batch import Burst, Prefill
from barkserve.engine.draws import uniforms
from barkserve.engine.engine import Engine
from barkserve.engine.graphs import Graphs, Out
from barkserve.engine.model_runner import ModelRunner
from barkserve.engine.playback import Playback
from barkserve.engine.request import Request, SamplingParams, Watch
from barkserve.engine.scheduler import Scheduler
from barkserve.models.attention.sdpa import SdpaAttention
from barkserve.models.causal import CausalModel
from fixtures.checkpoints import ODD, TINY, CheckpointSpec, reference
from tests.engine.test_graphs import FakeCapture
from tests.engine.test_model_runner import (
    GREEDY,
    alone,
    coarse_model,
    random_prompt,
    request_of,
    run,
    runner_over,
    some_requests,
)
from tests.support.batches import Planner, run_batches
from tests.support.fakes import FakeRunner, Gate, engine_over, fake_request, fake_tokens, until

CheckpointOf = Callable[[CheckpointSpec], Path]
TOKENS = 24


def drawn(runner: ModelRunner, request: Request, steps: int) -> list[int]:
    """Run a request alone in bursts of this many steps."""
    planner = Planner([request])
    tokens = run(runner, planner.prefill())[0]
    while planner.decoding:
        tokens += run(runner, planner.burst(steps))[0]
    return tokens


def captured_runner(model: CausalModel, slots: int, capture: FakeCapture) -> ModelRunner:
    model.attention = SdpaAttention()
    return ModelRunner(model, [np.arange(model.config.output_vocab_size)], slots, Graphs(capture))


@torch.no_grad()
def transformers_tokens(folder: Path, prompt: np.ndarray) -> list[int]:
    model = reference(folder).coarse_acoustics
    ids = prompt[:, 0].tolist()
    for _ in range(TOKENS):
        ids.append(int(model(torch.tensor([ids])).logits[0, -1].argmax()))
    return ids[len(prompt) :]


@pytest.mark.parametrize("spec", [TINY, ODD, None], ids=["tiny", "odd", "bundled"])
def test_bursts_of_any_length_equal_transformers(
    checkpoint_of: CheckpointOf, spec: CheckpointSpec | None
) -> None:
    folder = bundled_checkpoint() if spec is None else checkpoint_of(spec)
    model = coarse_model(folder)
    prompt = random_prompt(model, 30, seed=4)
    expected = transformers_tokens(folder, prompt)
    for steps in (1, 3, 16):
        assert drawn(runner_over(model, 1), request_of(prompt, TOKENS), steps) == expected
    runner = captured_runner(model, 2, FakeCapture())
    for steps in (1, 3, 16):
        assert drawn(runner, request_of(prompt, TOKENS), steps) == expected


@pytest.mark.parametrize("steps", [3, 16])
def test_sampled_tokens_do_not_depend_on_the_burst(checkpoint_of: CheckpointOf, steps: int) -> None:
    model = coarse_model(checkpoint_of(TINY))
    sampling = SamplingParams(0.8, 20, 0.9)
    prompt = random_prompt(model, 30, seed=4)
    single = drawn(runner_over(model, 1), request_of(prompt, TOKENS, sampling, 7), 1)
    assert drawn(runner_over(model, 1), request_of(prompt, TOKENS, sampling, 7), steps) == single


def test_row_that_ends_in_a_burst_draws_nothing_more(checkpoint_of: CheckpointOf) -> None:
    """Its slot is not written either, so that a continuation can use it."""
    model = coarse_model(checkpoint_of(TINY))
    short, long = (random_prompt(model, length, seed=length) for length in (9, 20))
    expected = [
        drawn(runner_over(model, 1), request_of(prompt, tokens), 1)
        for prompt, tokens in ((short, 4), (long, 17))
    ]
    runner = captured_runner(model, 2, FakeCapture())
    requests = [request_of(short, 4), request_of(long, 17)]
    planner = Planner(requests)
    tokens = run(runner, planner.prefill())
    before = runner._step.cache[:, :, 0].clone()
    for made, more in zip(tokens, run(runner, planner.burst(16)), strict=True):
        made += more
    assert tokens == expected
    changed = (runner._step.cache[:, :, 0] != before).any(dim=(0, 1, 2, 4)).nonzero()[:, 0]
    assert changed.tolist() == [9, 10, 11]  # the last token is not fed back


def test_long_prompt_runs_in_portions_between_bursts(
    checkpoint_of: CheckpointOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "PORTION", 64)
    model = coarse_model(checkpoint_of(TINY))
    prompts = [random_prompt(model, length, seed=length) for length in (20, 100)]
    expected = [alone(model, request_of(prompt, 9)) for prompt in prompts]
    runner = captured_runner(model, 4, FakeCapture())
    scheduler, requests = Scheduler(runner.limits), [request_of(each, 9) for each in prompts]
    scheduler.add(requests[0])
    run_batches(scheduler, runner, 1)
    scheduler.add(requests[1])
    kinds = []
    for _ in range(4):
        batch = scheduler.next_batch()
        assert batch is not None
        kinds.append(tuple(batch.lengths.tolist()) if isinstance(batch, Prefill) else "burst")
        scheduler.finish_batch(batch, runner.collect(runner.launch(batch)), 0.0)
    assert kinds == [(64,), "burst", (36,), "burst"] or kinds == ["burst", (64,), "burst", (36,)]
    run_batches(scheduler, runner)
    assert [request.tokens for request in requests] == expected


class CountingMode(TorchDispatchMode):
    """Counts the torch operations that the host starts."""

    def __init__(self) -> None:
        super().__init__()
        self.count = Counter[str]()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        self.count[str(func)] += 1
        return func(*args, **(kwargs or {}))


class DeviceCapture(FakeCapture):
    """A fake capture whose replays are one launch: their operations run on the device."""

    def __call__(self, forward: Callable[[], Out]) -> Callable[[], Out]:
        captured = super().__call__(forward)

        def replay() -> Out:
            with _disable_current_modes():
                return captured()

        return replay


def host_operations(runner: ModelRunner, batch: Burst) -> Counter[str]:
    with CountingMode() as mode:
        runner.collect(runner.launch(batch))
    return mode.count


WATCH = Watch(((0, 1), (1, 0)), first=8, width=9)
KINDS = {
    "greedy": {},
    "sampled": {"sampling": SamplingParams(0.7, 50, 0.95, min_eos_p=0.2), "stop_token": 3},
    "watched": {"sampling": SamplingParams(0.7, 50), "watch": WATCH},  # for word times
}


@pytest.mark.parametrize("kind", KINDS)
def test_host_work_of_a_burst_is_constant(checkpoint_of: CheckpointOf, kind: str) -> None:
    """Copies, launches and allocations of 1 row and 1 step equal those of 8 rows and 8 steps.

    The requests are streamed, and continue a prompt, as with a voice.
    """
    model = coarse_model(checkpoint_of(TINY))
    capture = DeviceCapture()
    runner = captured_runner(model, 8, capture)
    runner.capture(ids_per_position=1)
    requests = []
    for seed in range(8):
        prompt, playback = random_prompt(model, 9, seed), Playback(50.0)
        options = {"sampling": GREEDY, "report_every": 4, "playback": playback} | KINDS[kind]
        draws = uniforms(seed, 1, 0, 90)
        requests.append(Request(prompt=prompt, max_tokens=90, uniforms=draws, **options))
    planner = Planner(requests)
    for _ in range(2):
        runner.collect(runner.launch(planner.prefill(rows=4)))
    shapes = ((1, 1), (1, 8), (8, 1), (8, 8))
    for rows, steps in shapes:  # graphs with watches are captured when they are first needed
        runner.collect(runner.launch(planner.burst(steps, rows)))
    counts = []
    for rows, steps in shapes:
        replayed = capture.replayed
        counts.append(host_operations(runner, planner.burst(steps, rows)))
        assert capture.replayed == replayed + 1
    assert counts[0] == counts[1] == counts[2] == counts[3]
    assert not any("local_scalar" in name for name in counts[0])  # no wait for a value
    copies = counts[0]["aten.copy_.default"] + counts[0]["aten.clone.default"]
    assert copies == (3 if kind == "watched" else 2)  # slots in; tokens, and attention, out


def test_unusual_sampling_captures_nothing(checkpoint_of: CheckpointOf) -> None:
    model, capture = coarse_model(checkpoint_of(TINY)), FakeCapture()
    runner = captured_runner(model, 2, capture)
    runner.capture(ids_per_position=1)
    captured = capture.captured
    for sampling in (GREEDY, SamplingParams(1.5), SamplingParams(top_k=90, top_p=0.3)):
        drawn(runner, request_of(random_prompt(model, 9, 1), 5, sampling), 4)
    assert capture.captured == captured


async def collect(engine: Engine, request: Request) -> list[int]:
    return [token async for tokens in engine.generate(request) for token in tokens]


def gpu_like(**options: Any) -> FakeRunner:
    return FakeRunner(in_flight=2, bursts=(1, 2, 4, 8), **options)


async def test_next_burst_is_launched_before_tokens_are_read() -> None:
    runner = gpu_like()
    async with engine_over(runner) as engine:
        request = fake_request([5, 6], 25, report_every=8)
        assert await collect(engine, request) == fake_tokens([5, 6], 25)
    assert runner.launches[:5] == ["launch", "launch", "collect", "launch", "collect"]
    in_flight = np.cumsum([1 if each == "launch" else -1 for each in runner.launches])
    assert (in_flight.max(), in_flight[-1]) == (2, 0)


async def test_streams_join_and_end_between_bursts_in_flight() -> None:
    runner = gpu_like(slots=3)

    async def late(engine: Engine, turns: int, prompt: list[int], tokens: int, stop: int | None):
        for _ in range(turns):
            await asyncio.sleep(0)
        request = fake_request(prompt, tokens, stop_token=stop, report_every=4)
        return await collect(engine, request)

    cases = [(0, [1, 2], 30, None), (3, [5, 6, 7], 50, 87), (9, [9], 1, None), (20, [4, 4], 41, 60)]
    async with engine_over(runner) as engine:
        made = await asyncio.gather(*(late(engine, *case) for case in cases))
        assert (engine.free_slots, engine.running) == (3, 0)
    assert made == [fake_tokens(prompt, tokens, stop) for _, prompt, tokens, stop in cases]


def test_stream_that_joins_while_all_others_stop_loses_no_token() -> None:
    runner = gpu_like(slots=2)
    scheduler = Scheduler(runner.limits)
    stops = fake_request([5, 6, 7], 50, stop_token=87, report_every=9)
    joins = fake_request([4, 4], 20)
    flights = []
    for request in (stops, None, joins):  # the burst of the first ends after the last prefill began
        if request is not None:
            scheduler.add(request)
        batch = scheduler.next_batch()
        assert batch is not None
        flights.append((batch, runner.launch(batch)))
    for batch, flight in flights:
        scheduler.finish_batch(batch, runner.collect(flight), 0.0)
    run_batches(scheduler, runner)
    assert stops.tokens == fake_tokens([5, 6, 7], 50, 87)
    assert joins.tokens == fake_tokens([4, 4], 20)


async def test_abort_during_a_burst_frees_the_slot_for_the_next() -> None:
    runner = gpu_like(slots=1, gate=Gate())
    async with engine_over(runner) as engine:
        stream = engine.generate(fake_request([1, 2], 1000, report_every=4))
        async with aclosing(stream):
            reading = asyncio.ensure_future(anext(stream))
            await until(lambda: len(runner.steps) == 1)
            runner.gate.let(12)
            await reading
        assert engine.free_slots == 1
        runner.gate.open()
        assert await collect(engine, fake_request([5, 6, 7], 3)) == [21, 43, 87]


async def test_failed_launch_keeps_other_batches_in_flight() -> None:
    runner = gpu_like(slots=2, raises={1: RuntimeError("no memory")})
    async with engine_over(runner) as engine:
        made = await asyncio.gather(
            *(collect(engine, fake_request([n, n], 6)) for n in (1, 2)), return_exceptions=True
        )
        assert sum(isinstance(each, Exception) for each in made) == 1
        assert await collect(engine, fake_request([5, 6, 7], 3)) == [21, 43, 87]
        assert engine.free_slots == 2


def test_batched_streams_of_a_model_equal_single_ones_in_flight(
    checkpoint_of: CheckpointOf,
) -> None:
    model = coarse_model(checkpoint_of(ODD))
    sampling = SamplingParams(0.8, 20, 0.9)
    expected = [alone(model, request) for request in some_requests(model, sampling)]
    runner = captured_runner(model, 4, FakeCapture())
    scheduler, requests = Scheduler(runner.limits), some_requests(model, sampling)
    for request in requests[:2]:
        scheduler.add(request)
    run_batches(scheduler, runner, 7)
    for request in requests[2:]:
        scheduler.add(request)
    run_batches(scheduler, runner)
    assert [request.tokens for request in requests] == expected
