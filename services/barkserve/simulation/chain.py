"""One utterance on its way through the four stages, with the services' windows and chunk plan."""

import asyncio
import math
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field

import numpy as np

from barkserve.coarse.generator import FRAMES_PER_MESSAGE
from barkserve.coarse.windows import CoarseHistory, WindowPlan
from barkserve.constants import StageName
from barkserve.engine.playback import Playback
from barkserve.engine.request import Request, SamplingParams
from barkserve.errors import Overloaded
from barkserve.orchestrator.stages.pool import POLL_S
from barkserve.semantic.generator import TOKENS_PER_MESSAGE
from barkserve.serving.admission import Work
from barkserve.simulation.batch_engine import BatchEngine
from barkserve.simulation.decode_engine import DecodeEngine
from barkserve.simulation.errors import ReplicaLost
from barkserve.simulation.pipe import Pipe
from barkserve.simulation.pool import SimulatedPool
from barkserve.simulation.profile import Profile, Rates
from barkserve.simulation.replica import SimulatedReplica
from barkserve.simulation.virtual_time import now

_SAMPLING = SamplingParams()
_NO_UNIFORMS = np.empty(0, dtype=np.float32)


@dataclass(frozen=True)
class Utterance:
    """What a stream speaks.

    Attributes:
        audio_s: its duration in seconds.
        history: semantic tokens of its voice; 0: no voice.
    """

    audio_s: float
    history: int


class Chain:
    """Speaks one utterance.

    Args:
        profile: rates, windows and the chunk plan.
        pools: the replicas of each stage.
        utterance: what to speak.
    """

    def __init__(
        self,
        profile: Profile,
        pools: Mapping[StageName, SimulatedPool],
        utterance: Utterance,
    ) -> None:
        self._profile = profile
        self._rates = profile.rates
        self._pools = pools
        self._utterance = utterance
        self._tokens = max(1, round(utterance.audio_s * self._rates.semantic_rate))
        self._semantic: Pipe[int] = Pipe(profile.hop_s)
        self._coarse: Pipe[int] = Pipe(profile.hop_s)
        self._fine: Pipe[int] = Pipe(profile.hop_s)

    async def speak(self) -> AsyncGenerator[float, None]:
        """Yield the seconds of audio that arrive at the client."""
        audio: Pipe[int] = Pipe(self._profile.hop_s)
        await asyncio.sleep(self._profile.hop_s)
        async with asyncio.TaskGroup() as tasks:
            for stage in (
                self._run("semantic", self._make_tokens),
                self._run("coarse", self._make_frames),
                self._run("fine", self._fill),
                self._run("codec", self._decode_to(audio)),
            ):
                tasks.create_task(stage)
            while (frames := await audio.get()) is not None:
                yield frames / self._rates.frame_rate

    async def _run(self, stage: StageName, start: "_Start") -> None:
        """Run a stage, on another replica if one is lost or full."""
        pool, state = self._pools[stage], _Progress()
        while True:
            replica = await pool.pick()
            try:
                with pool.stream(replica), replica.admission.stream() as work:
                    state.work = work
                    async for seconds in start(replica, state):
                        work.made_s += seconds
                return
            except ReplicaLost:
                continue
            except Overloaded:
                await asyncio.sleep(POLL_S)

    async def _make_tokens(
        self, replica: SimulatedReplica, state: "_Progress"
    ) -> AsyncIterator[float]:
        assert isinstance(replica.engine, DecodeEngine)
        left = self._tokens - state.made
        state.work.given_s = left / self._rates.semantic_rate
        request = Request(
            prompt=np.zeros((self._rates.prompt + state.made, 1), dtype=np.int64),
            max_tokens=max(1, left),
            sampling=_SAMPLING,
            uniforms=_NO_UNIFORMS,
            report_every=TOKENS_PER_MESSAGE,
            playback=Playback(self._rates.semantic_rate),
        )
        async with aclosing(replica.engine.generate(request)) as parts:
            async for count in parts:
                state.made += count
                self._semantic.put(count)
                yield count / self._rates.semantic_rate
        self._semantic.put(None)

    async def _make_frames(
        self, replica: SimulatedReplica, state: "_Progress"
    ) -> AsyncIterator[float]:
        engine, geometry = replica.engine, self._rates.coarse
        assert isinstance(engine, DecodeEngine)
        windows = _Windows(self._rates, self._utterance.history, state, self._semantic)
        playback = Playback(self._rates.frame_rate * geometry.codebooks)
        previous: Request | None = None
        try:
            while await windows.wait():
                request = windows.request(previous, playback)
                if previous is not None and request.continues is None:
                    engine.release(previous)
                previous = request
                async with aclosing(engine.generate(request)) as parts:
                    async for count in parts:
                        state.made += count
                        frames = count // geometry.codebooks
                        self._coarse.put(frames)
                        yield frames / self._rates.frame_rate
        finally:
            if previous is not None:
                engine.release(previous)
        self._coarse.put(None)

    async def _fill(self, replica: SimulatedReplica, state: "_Progress") -> AsyncIterator[float]:
        engine, geometry, rate = replica.engine, self._rates.fine, self._rates.frame_rate
        assert isinstance(engine, BatchEngine)
        voice = round(self._utterance.history / self._rates.semantic_rate * rate)
        history, playback = min(geometry.hop, voice), Playback(rate)
        fills, fixed, ended = self._profile.chunks.fills(), 0, False
        while not ended:
            fill_at = next(fills)
            while state.received < fill_at and not state.ended:
                frames = await self._coarse.get()
                state.ended = frames is None
                state.receive(frames or 0, rate)
            ended = state.ended and state.received < fill_at
            known = state.received if ended else fill_at
            release_to = known - (0 if ended else self._profile.chunks.lookahead)
            if release_to > state.made:
                deadline = playback.deadline(now())
                for _ in geometry.windows_beyond(history, known, fixed):
                    await engine.submit(1, deadline)
                fresh, state.made = release_to - state.made, release_to
                playback.publish(fresh, now())
                self._fine.put(fresh)
                yield fresh / rate
            fixed = release_to
        self._fine.put(None)

    def _decode_to(self, audio: Pipe[int]) -> "_Start":
        async def decode(replica: SimulatedReplica, state: _Progress) -> AsyncIterator[float]:
            engine, rate = replica.engine, self._rates.frame_rate
            assert isinstance(engine, BatchEngine)
            playback = Playback(rate)
            while True:
                if not state.pending:
                    state.pending = await self._fine.get() or 0
                    state.receive(state.pending, rate)
                if not state.pending:
                    break
                await engine.submit(state.pending, playback.deadline(now()))
                frames, state.pending = state.pending, 0
                playback.publish(frames, now())
                audio.put(frames)
                yield frames / rate
            audio.put(None)

        return decode


@dataclass
class _Progress:
    """How far a stage is with an utterance; kept when it moves to another replica."""

    made: int = 0  # tokens or frames
    received: int = 0  # tokens or frames of the stage before
    pending: int = 0  # frames received and not decoded
    ended: bool = False  # the stage before has sent everything
    work: Work = field(default_factory=Work)  # on the current replica

    def receive(self, count: int, rate: float) -> None:
        """Count input, as work for the load report."""
        self.received += count
        self.work.given_s += count / rate


_Start = Callable[[SimulatedReplica, _Progress], AsyncIterator[float]]


class _Windows:
    """The coarse windows of an utterance, from the services' window plan."""

    def __init__(self, rates: Rates, history: int, state: _Progress, semantic: Pipe[int]) -> None:
        self._geometry = rates.coarse
        self._state = state
        self._rate = rates.semantic_rate
        self._semantic = semantic
        tokens = min(history, self._geometry.max_semantic_history)
        frames = max(0, math.floor(tokens * self._geometry.ratio) - 2)
        past = CoarseHistory(-1 - np.arange(tokens), -1 - np.arange(frames))
        self._plan = WindowPlan(self._geometry, past)
        self._plan.push(list(range(state.received)))
        if state.ended:
            self._plan.end()

    async def wait(self) -> bool:
        """Wait until the current window can run; False if the utterance is complete."""
        state, plan = self._state, self._plan
        while not plan.ready(self._start) and not plan.complete(state.made):
            count = await self._semantic.get()
            if count is None:
                state.ended = True
                plan.end()
            else:
                plan.push(list(range(state.received, state.received + count)))
                state.receive(count, self._rate)
        return not plan.complete(state.made)

    def request(self, previous: Request | None, playback: Playback) -> Request:
        """Make the request for the rest of the current window."""
        made = np.arange(self._state.made)
        prompt = np.concatenate([self._plan.prompt(made[: self._start]), made[self._start :]])
        length = self._start + self._plan.length(self._start) - self._state.made
        grows = previous is not None and _grows(prompt, previous, len(made))
        return Request(
            prompt=prompt[:, None],
            max_tokens=length,
            sampling=_SAMPLING,
            uniforms=_NO_UNIFORMS,
            heads=range(self._geometry.codebooks),
            continues=previous if grows else None,
            report_every=FRAMES_PER_MESSAGE * self._geometry.codebooks,
            hold=True,
            playback=playback,
        )

    @property
    def _start(self) -> int:
        return self._state.made - self._state.made % self._geometry.window


def _grows(prompt: "np.typing.NDArray[np.int64]", previous: Request, made: int) -> bool:
    """Whether the prompt is the previous request's prompt and the tokens that it drew."""
    before = len(previous.prompt)
    drawn = np.arange(made - len(previous.tokens), made)
    return np.array_equal(prompt, np.concatenate([previous.prompt[:, 0], drawn])) and before > 0
