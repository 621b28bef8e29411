"""Runs faults on a cluster while streams are spoken."""

import asyncio
import random
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from tools.chaos.cluster import Cluster
from tools.chaos.comparison import Difference, Samples, compare
from tools.chaos.fault import Fault
from tools.chaos.memory import measured_growth
from tools.chaos.network import Network
from tools.chaos.outcome import Outcome
from tools.chaos.replica import Replica
from tools.chaos.scene import Scene
from tools.chaos.speaker import REFUSED, Speaker, utterances
from tools.chaos.stream import Stream

_ROW_S = 420.0  # no row takes longer
_DELAY_S = 0.5  # the fault comes up to this long after the first audio
_RECOVERY_S = 60.0  # no listener waits longer, also on a machine that is slower than real time


class Experiment:
    """A cluster, its load and the reference of each utterance.

    Args:
        cluster: the services, which run.
        seed: fixes all draws.
        store: the folder of created voices.
        network: the machines, if there are namespaces.
        speakers: number of clients that speak at once.
    """

    def __init__(
        self,
        cluster: Cluster,
        seed: int,
        store: Path,
        network: Network | None = None,
        speakers: int = 3,
    ) -> None:
        self._cluster = cluster
        self._seed = seed
        self._store = store
        self._network = network
        self._speakers = speakers
        self._utterances = utterances(random.Random(seed))[: speakers + 1]
        self._references: list[Samples] = []

    async def prepare(self) -> None:
        """Speak each utterance undisturbed. The result is the reference.

        Raises:
            RuntimeError: an utterance failed.
        """
        speaker = Speaker(self._cluster.target(), self._utterances)
        speaker.finish(more=len(self._utterances) - 1)
        await speaker.run()
        failed = [stream for stream in speaker.streams if not stream.spoken]
        if failed:
            raise RuntimeError(f"speech without a fault failed: {failed[0].message}")
        self._references = [stream.samples for stream in speaker.streams]

    async def run(self, fault: Fault) -> Outcome:
        """Run one fault. The services are healthy again afterwards."""
        if fault.needs_isolation and self._network is None:
            return Outcome(fault.key, skipped="needs network namespaces")
        draw = random.Random(f"{self._seed} {fault.key}")
        await self._cluster.reconfigure(fault.orchestrator_flags)
        speakers = [
            Speaker(self._cluster.target(number), self._utterances, number)
            for number in range(self._speakers)
        ]
        scene = Scene(
            self._cluster, draw, self._store, self._utterances, [*speakers], self._network
        )
        starts = {replica: replica.starts for replica in self._cluster.all}
        began_s = time.monotonic()
        async with measured_growth(self._cluster.all) as growth:
            try:
                async with asyncio.timeout(_ROW_S):
                    await _speak_through(fault, scene, speakers)
            except TimeoutError:
                scene.failures.append(f"not over after {_ROW_S:.0f} s")
        ended_s = restored_s = time.monotonic()
        try:
            await self._cluster.serving()
            restored_s = time.monotonic()
        except TimeoutError:
            scene.failures.append("not all services became healthy again")
        _check_restarts(scene, starts)
        streams = [stream for speaker in scene.speakers for stream in speaker.streams]
        audio_s = sum(arrival.audio_s for stream in streams for arrival in stream.arrivals)
        return replace(
            self._outcome(fault, scene, streams),
            goodput=audio_s / (ended_s - began_s),
            restored_s=restored_s - scene.struck_s,
            memory_bytes=growth.bytes,
        )

    def _outcome(self, fault: Fault, scene: Scene, streams: Sequence[Stream]) -> Outcome:
        accepted = [stream for stream in streams if stream.status != REFUSED]
        recovery_s = max((each.longest_wait_s(scene.struck_s) for each in accepted), default=0.0)
        scene.expect(recovery_s <= _RECOVERY_S, f"a listener waited for {recovery_s:.0f} s")
        return Outcome(
            fault.key,
            streams=len(accepted),
            refused=len(streams) - len(accepted),
            failed=[f"{s.status or 'UNFINISHED'}: {s.message}" for s in accepted if not s.spoken],
            difference=sum((self._difference(each) for each in accepted), Difference()),
            silence_s=max((each.longest_silence_s for each in accepted), default=0.0),
            recovery_s=recovery_s,
            notes=scene.notes,
            failures=scene.failures,
        )

    def _difference(self, stream: Stream) -> Difference:
        return compare(stream.samples, self._references[stream.utterance])


def _check_restarts(scene: Scene, starts: dict[Replica, int]) -> None:
    """Note a failure for each replica that was started again without being a victim."""
    for replica, before in starts.items():
        if replica.starts > before and replica not in scene.victims:
            codes = replica.exit_codes[before - replica.starts :]
            scene.failures.append(f"{replica.name} ended with {codes}")


async def _speak_through(fault: Fault, scene: Scene, speakers: list[Speaker]) -> None:
    """Speak, cause the fault, and end after the running streams and one more of each speaker."""
    tasks = [asyncio.create_task(speaker.run()) for speaker in speakers]
    try:
        for speaker in speakers:
            await speaker.audible.wait()
        await asyncio.sleep(scene.draw.uniform(0, _DELAY_S))
        scene.strike()
        async with fault.strike(scene):
            for speaker in speakers:
                speaker.finish(more=1)
            await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
