"""Fake models with output that can be computed by hand, and helpers that drive an engine.

They test everything around the models without weights.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from barkserve.codec.job import Decoded, DecodeJob, JobPlan
from barkserve.engine.batch import Batch, Burst, Integers, Prefill
from barkserve.engine.device_residency import DeviceResidency
from barkserve.engine.engine import Engine, Runner
from barkserve.engine.limits import Limits
from barkserve.engine.request import Request, SamplingParams
from barkserve.fine.job import FillJob
from tests.support.batches import as_drawn

Ids = NDArray[np.int64]
MODULO = 97


class Gate:
    """Blocks each step of a model until the test permits it."""

    def __init__(self) -> None:
        self._permits = threading.Semaphore(0)
        self._open = False

    def let(self, steps: int = 1) -> None:
        """Permit this many further steps."""
        for _ in range(steps):
            self._permits.release()

    def open(self) -> None:
        """Permit all steps from now on."""
        self._open = True
        self._permits.release()

    def __call__(self) -> None:
        if not self._open:
            assert self._permits.acquire(timeout=60), "the test never opened its gate"


@dataclass(frozen=True)
class Step:
    """One step of a model: slots, the length of each before, and positions added to each."""

    slots: tuple[int, ...]
    starts: tuple[int, ...]
    length: int

    @property
    def positions(self) -> int:
        """Positions computed in this step."""
        return len(self.slots) * self.length


@dataclass
class FakeRunner:
    """An autoregressive model that implements the engine's Runner.

    After a slot of n positions whose ids sum to s (an id of -1 counts as 0), the next token is the
    head's entry number (s + n) % len(head). The default head is 0..96: after the prompt [5, 6, 7]
    follows (18 + 3) % 97 = 21, then (39 + 4) % 97 = 43, then (82 + 5) % 97 = 87. Every token
    depends on all positions of the slot, and none on sampling parameters and uniforms.

    A batch that does not match the contents of its slots fails the test.

    Attributes:
        slots: how many.
        heads: the ids of each head.
        gate: called in the worker thread before each step.
        raises: the error of step number n, counted from 0.
        steps: all that were started.
        held: for each slot, the sum of the ids of each of its positions.
        in_flight: 1: as on a CPU, a burst ends early when a row ends or when it must not proceed.
            2: as on a GPU, a burst runs all steps, and rows that have ended draw nothing.
        bursts: lengths of bursts; None: any.
        launches: what happened, in order: "launch" and "collect".
    """

    slots: int = 4
    heads: Sequence[Sequence[int]] = (range(MODULO),)
    gate: Callable[[], object] | None = None
    raises: Mapping[int, Exception] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    held: dict[int, list[int]] = field(default_factory=dict)
    in_flight: int = 1
    bursts: tuple[int, ...] | None = None
    launches: list[str] = field(default_factory=list)
    _drawn: dict[Request, list[int]] = field(default_factory=dict)

    @property
    def limits(self) -> Limits:
        """The limits."""
        return Limits(self.slots, self.in_flight, steps=self.bursts)

    @property
    def positions(self) -> int:
        """Positions computed in all steps."""
        return sum(step.positions for step in self.steps)

    def launch(self, batch: Batch, proceed: Callable[[], bool] = lambda: True) -> Integers:
        """Run a batch. Returns its tokens, (steps, B), as `collect` does."""
        self.launches.append("launch")
        slots = batch.slots.tolist()
        assert len(set(slots)) == len(batch.requests), f"a slot twice: {slots}"
        if isinstance(batch, Prefill):
            return self._prefill(batch)
        assert isinstance(batch, Burst)
        tokens: list[list[int]] = [[] for _ in batch.requests]
        steps = 0
        while steps < batch.steps:
            if steps and self.in_flight == 1 and not (proceed() and self._all_run(batch)):
                break
            self._step(batch, tokens)
            steps += 1
        return as_drawn(tokens, steps)

    def collect(self, flight: Integers) -> Integers:
        """Return the tokens of a batch."""
        self.launches.append("collect")
        return flight

    def _prefill(self, batch: Prefill) -> Integers:
        slots, starts, lengths = (
            each.tolist() for each in (batch.slots, batch.starts, batch.lengths)
        )
        rows = list(zip(batch.requests, slots, starts, lengths, strict=True))
        assert len(set(lengths)) == 1, "the batch is ragged"
        for request, slot, start, _ in rows:
            if start == 0:
                self.held[slot] = []
            self._drawn[request] = []
            assert self.held[slot] == _summed(request.prompt[:start].tolist()), "another past"
        self._begin(Step(tuple(slots), tuple(starts), lengths[0]))
        for request, slot, start, length in rows:
            self.held[slot] += _summed(request.prompt[start : start + length].tolist())
        return as_drawn([[self._draw(*row[:2])] if batch.last else [] for row in rows])

    def _step(self, batch: Burst, tokens: list[list[int]]) -> None:
        slots = tuple(batch.slots.tolist())
        rows = list(zip(batch.requests, slots, tokens, strict=True))
        for request, slot, _ in rows:
            if request not in self._drawn:  # the prompt misses one position
                self._drawn[request] = []
                self.held.setdefault(slot, [])
                if len(request.prompt) == 1:
                    self.held[slot] = []
        self._begin(Step(slots, tuple(len(self.held[slot]) for slot in slots), 1))
        for request, slot, made in rows:
            if self._runs(request):
                drawn = self._drawn[request]
                fed = [*request.prompt.tolist(), *([token] for token in drawn)]
                assert self.held[slot] == _summed(fed[:-1]), "the slot holds another past"
                self.held[slot] += _summed(fed[-1:])
                made.append(self._draw(request, slot))

    def _begin(self, step: Step) -> None:
        number = len(self.steps)
        assert all(slot in range(self.slots) for slot in step.slots)
        self.steps.append(step)
        if self.gate is not None:
            self.gate()
        if number in self.raises:
            raise self.raises[number]

    def _draw(self, request: Request, slot: int) -> int:
        held, drawn = self.held[slot], self._drawn[request]
        head = self.heads[request.heads[len(drawn) % len(request.heads)]]
        drawn.append(head[(sum(held) + len(held)) % len(head)])
        return drawn[-1]

    def _runs(self, request: Request) -> bool:
        drawn = self._drawn[request]
        return len(drawn) < request.max_tokens and drawn[-1:] != [request.stop_token]

    def _all_run(self, batch: Burst) -> bool:
        return all(map(self._runs, batch.requests))


def _summed(positions: list[list[int]]) -> list[int]:
    return [sum(max(0, id_) for id_ in ids) for ids in positions]


def fake_tokens(
    prompt: Sequence[int],
    count: int,
    stop_token: int | None = None,
    heads: Sequence[Sequence[int]] = (range(MODULO),),
) -> list[int]:
    """The tokens of FakeRunner after a prompt of one id per position, with all heads in turn."""
    ids = list(prompt)
    tokens: list[int] = []
    while len(tokens) < count:
        head = heads[len(tokens) % len(heads)]
        token = head[(sum(ids) + len(ids)) % len(head)]
        if token == stop_token:
            break
        ids.append(token)
        tokens.append(token)
    return tokens


def fake_request(prompt: Sequence[int], max_tokens: int, **options: object) -> Request:
    """A request of one id per position."""
    return Request(
        prompt=np.array(prompt, dtype=np.int64)[:, None],
        max_tokens=max_tokens,
        sampling=SamplingParams(greedy=True),
        uniforms=np.zeros(max_tokens, dtype=np.float32),
        **options,  # type: ignore[arg-type]
    )


@asynccontextmanager
async def engine_over(
    runner: Runner, residency: DeviceResidency | None = None
) -> AsyncIterator[Engine]:
    """Start an engine; at the end, open its runner's gate and stop it."""
    engine = Engine(runner, residency=residency)
    await engine.start()
    try:
        yield engine
    finally:
        gate = getattr(runner, "gate", None)
        if isinstance(gate, Gate):
            gate.open()
        await engine.stop()


async def until(condition: Callable[[], bool], timeout_s: float = 30.0) -> None:
    """Wait for a condition that other tasks or threads bring about."""
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110 - another thread makes it true
            await asyncio.sleep(0.001)


@dataclass
class FakeOffloadable:
    """A model's memory that can be offloaded and reloaded.

    `check` is called before a step like a Gate. It fails the test if the model is offloaded.

    Attributes:
        gate: called in the worker thread in the middle of each move.
        raises: the error of move number n, counted from 0.
        on_offload: called when the model is offloaded.
        moves: all that were started.
        here: whether the model is loaded.
    """

    gate: Callable[[], object] | None = None
    raises: Mapping[int, Exception] = field(default_factory=dict)
    on_offload: Callable[[], object] = lambda: None
    moves: list[str] = field(default_factory=list)
    here: bool = True

    def offload(self) -> int:
        """Free 1000 bytes."""
        self._move("offload")
        assert self.here
        self.here = False
        self.on_offload()
        return 1000

    def reload(self) -> None:
        """Allocate them again."""
        self._move("reload")
        assert not self.here
        self.here = True

    def check(self) -> None:
        """Check that a step may run."""
        assert self.here, "a step while the model is offloaded"

    def _move(self, name: str) -> None:
        number = len(self.moves)
        self.moves.append(name)
        if self.gate is not None:
            self.gate()
        if number in self.raises:
            raise self.raises[number]


@dataclass
class FakeFiller:
    """A fine model.

    Each frame to fill gets code (code of codebook 0 + k) % codebook_size in each codebook k from
    `first_codebook` on. With a size of 64, the frame (60, 3) becomes (60, 3, 62, 63, 0, 1, 2, 3).
    `batches` are the sizes of the batches.
    """

    first_codebook: int
    codebooks: int
    codebook_size: int
    gate: Callable[[], object] | None = None
    batches: list[int] = field(default_factory=list)

    def fill(self, jobs: list[FillJob]) -> list[Ids]:
        """Fill one batch."""
        self.batches.append(len(jobs))
        if self.gate is not None:
            self.gate()
        return [self.filled(job.codes, job.fill_from) for job in jobs]

    def filled(self, codes: Ids, fill_from: int = 0) -> Ids:
        """The (T, codebooks) codes with every frame from fill_from on filled."""
        decided = codes.copy()
        books = np.arange(self.first_codebook, self.codebooks)
        first = decided[fill_from:, :1]
        decided[fill_from:, self.first_codebook :] = (first + books) % self.codebook_size
        return decided


@dataclass(frozen=True)
class FakeCodec:
    """The rates of Bark's codec. An utterance starts with 7 frames."""

    sample_rate: int = 24_000
    hop_length: int = 320
    frame_rate: float = 75.0
    first_frames: int = 7
    warm_up_frames: int = 300


@dataclass
class FakeDecoder:
    """A codec.

    Each of the `hop_length` samples of a frame is the sum of all codes of the utterance up to and
    including that frame, in units of 2**-20. Frames (1, 2), (3, 4) and a hop of 2 become 3, 3, 10,
    10 units. The sum is the state, so losing it changes the samples. `batches` are the sizes of the
    batches.
    """

    hop_length: int
    gate: Callable[[], object] | None = None
    batches: list[int] = field(default_factory=list)
    plan: JobPlan = field(default_factory=lambda: JobPlan.as_they_arrive(FakeCodec()))

    def decode(self, jobs: list[DecodeJob]) -> list[Decoded]:
        """Decode one batch of one shape."""
        self.batches.append(len(jobs))
        assert len(set(map(self.plan.batch_key, jobs))) == 1, "jobs of several shapes in a batch"
        if self.gate is not None:
            self.gate()
        return [self._decode(job) for job in jobs]

    def samples(self, codes: Ids) -> NDArray[np.float32]:
        """The samples of a whole utterance of (T, codebooks) codes."""
        units = codes.sum(axis=1).cumsum().repeat(self.hop_length)
        return (units * 2.0**-20).astype(np.float32)

    def _decode(self, job: DecodeJob) -> Decoded:
        before = 0 if job.state is None else int(job.state[0])
        samples = self.samples(job.codes) + np.float32(before * 2.0**-20)
        total = torch.tensor([before + int(job.codes.sum())])
        return Decoded(samples.astype(np.float32), total)
