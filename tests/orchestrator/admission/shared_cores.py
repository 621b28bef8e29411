"""Simulates four stages on shared cores, in simulated time, under the real admission.

Each stage has one thread, which serves its streams equally. A stage whose output the next one needs
in larger pieces holds some of it back.
"""

import math
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from types import SimpleNamespace

from barkserve.constants import STAGES
from barkserve.discovery.stage_cost import StageCost
from barkserve.errors import Overloaded
from barkserve.orchestrator.admission.admission import StreamAdmission
from barkserve.orchestrator.admission.capacity import RateCapacity
from barkserve.orchestrator.admission.stream import SECONDS_PER_CHARACTER, Stream
from barkserve.serving.load import Load

COSTS = (0.1, 0.1, 0.1, 0.1)  # CPU seconds per second of audio
HELD_BACK_S = (0.0, 0.0, 1.0, 0.3)  # of audio, of the input of each stage
LENGTHS_S = (4.0, 3.1, 5.2, 2.8, 4.6)
STEP_S, REPORT_S = 0.02, 0.5
FIRST_CHUNK_S = 0.2
CLEAN_S = 0.1


@dataclass(eq=False)
class Utterance:
    """A stream and its player.

    Attributes:
        length_s: of the audio.
        accepted: its place at the orchestrator.
        stack: holds the place.
        made_s: of audio, by each stage.
        started_at: when the player started, without the time in which it had nothing to play.
        underrun_s: time in which the player had nothing to play.
    """

    length_s: float
    accepted: Stream
    stack: AsyncExitStack
    made_s: list[float] = field(default_factory=lambda: [0.0] * len(COSTS))
    started_at: float | None = None
    underrun_s: float = 0.0

    def left_s(self, stage: int) -> float:
        """Audio that a stage can make of its input now."""
        given_s = self.length_s
        if stage and self.made_s[stage - 1] < self.length_s:
            given_s = self.made_s[stage - 1] - HELD_BACK_S[stage]
        return max(0.0, given_s - self.made_s[stage])

    def play(self, now: float) -> None:
        """Let the player play until now."""
        made_s = self.accepted.made_s = self.made_s[-1]
        if self.started_at is None:
            self.started_at = now if made_s >= FIRST_CHUNK_S else None
        elif made_s < self.length_s and (late_s := now - self.started_at - made_s) > 0:
            self.underrun_s += late_s
            self.started_at += late_s


@dataclass
class Outcome:
    """What a load got: accepted streams, refusals, and the audio of clean streams per second."""

    accepted: list[Utterance] = field(default_factory=list)
    refused: int = 0
    elapsed_s: float = 0.0

    @property
    def clean(self) -> list[Utterance]:
        """Streams that played without underruns."""
        return [each for each in self.accepted if each.underrun_s <= CLEAN_S]

    @property
    def goodput(self) -> float:
        """Seconds of audio of clean streams per second."""
        return sum(each.length_s for each in self.clean) / self.elapsed_s


class SharedCores:
    """A machine that runs all stages.

    Args:
        cores: that the stages have, at a time in seconds.
        assumed_streams: see RateCapacity.
    """

    def __init__(self, cores: Callable[[float], float], assumed_streams: float = 4.0) -> None:
        self.now = 0.0
        self._cores = cores
        self._running: list[Utterance] = []
        self._busy_s, self._made_s = [0.0] * len(COSTS), [0.0] * len(COSTS)
        self._pools = {
            stage: SimpleNamespace(cost=StageCost(lambda: self.now), replicas=())
            for stage in STAGES
        }
        self.admission = StreamAdmission(
            64, RateCapacity(self._pools, 0.85, assumed_streams), queue_s=0.0
        )

    async def speak(self, clients: int, seconds: float) -> Outcome:
        """Let clients speak one utterance after another; refused ones wait as they are told."""
        outcome, began = Outcome(), self.now
        calls_at = dict.fromkeys(range(clients), self.now)
        speaking: dict[int, Utterance] = {}
        while (calling := self.now < began + seconds) or speaking:
            for client in range(clients):
                if client in speaking:
                    if speaking[client].made_s[-1] >= speaking[client].length_s:
                        utterance = speaking.pop(client)
                        self._running.remove(utterance)
                        await utterance.stack.aclose()
                elif calling and self.now >= calls_at[client]:
                    try:
                        speaking[client] = await self._accept(len(outcome.accepted))
                        outcome.accepted.append(speaking[client])
                    except Overloaded as error:
                        outcome.refused += 1
                        calls_at[client] = self.now + error.retry_after_s
            self._step()
        outcome.elapsed_s = self.now - began
        return outcome

    async def _accept(self, number: int) -> Utterance:
        length_s = LENGTHS_S[number % len(LENGTHS_S)]
        stack = AsyncExitStack()
        characters = round(length_s / SECONDS_PER_CHARACTER)
        accepted = await stack.enter_async_context(self.admission.stream(characters))
        self._running.append(Utterance(length_s, accepted, stack))
        return self._running[-1]

    def _step(self) -> None:
        ready = [
            [each for each in self._running if each.left_s(stage) > 0]
            for stage in range(len(COSTS))
        ]
        active = sum(map(bool, ready))
        speed = min(1.0, self._cores(self.now) / max(1, active))
        for stage, utterances in enumerate(ready):
            share_s = STEP_S * speed / COSTS[stage] / max(1, len(utterances))
            made_s = 0.0
            for each in utterances:
                part_s = min(share_s, each.left_s(stage))
                made_s += part_s
                each.made_s[stage] += part_s
                if math.isclose(each.made_s[stage], each.length_s):
                    each.made_s[stage] = each.length_s
            self._made_s[stage] += made_s
            self._busy_s[stage] += made_s * COSTS[stage] / speed
        before, self.now = self.now, self.now + STEP_S
        for each in self._running:
            each.play(self.now)
        if self.now // REPORT_S > before // REPORT_S:
            self._report()

    def _report(self) -> None:
        for stage, pool in enumerate(self._pools.values()):
            calls = [
                each
                for each in self._running
                if each.made_s[stage] < each.length_s and (not stage or each.made_s[stage - 1])
            ]
            load = Load(
                streams=len(calls),
                busy_seconds=self._busy_s[stage],
                audio_seconds=self._made_s[stage],
            )
            pool.cost.observe({"replica": load})
