"""Overload of real processes whose models only sleep, so that their speed is known.

The slowest stage needs 0.3 s for a second of audio: with the default share of 0.85, two streams.
"""

import asyncio
import time
from pathlib import Path

import pytest

import barkclient
from barkclient.bench.playback import underrun_s
from barkclient.bench.stream import Arrival
from barkserve.serving.auth.token import hash_of, new_token
from benchmarks.overload.measurement import measure
from benchmarks.overload.system import CAPACITY, slow_system
from benchmarks.scaling.clients import TEXT

pytestmark = [
    pytest.mark.alone,
    pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc"),
]

ALLOWED_UNDERRUN_S = 0.5  # the processes share the cores with other tests
ALLOWED_GROWTH_MIB = 50


async def test_ten_times_the_load_plays_clean(tmp_path: Path) -> None:
    """Without admission by rate, twenty streams would get a sixth of real time each."""
    async with slow_system(tmp_path, "--assumed-streams=1") as system:
        (warm_up,) = await measure(system.address, [CAPACITY], 4)
        assert warm_up.accepted
        before = system.resident_mib
        normal, overload = await measure(system.address, [CAPACITY, 10 * CAPACITY], 8)
        assert system.resident_mib - before < ALLOWED_GROWTH_MIB
    assert normal.failed == overload.failed == 0
    assert overload.refused > 5
    assert overload.longest_underrun_s < ALLOWED_UNDERRUN_S
    assert overload.goodput > normal.goodput / 2


class Caller:
    """A caller that requests utterance after utterance.

    Attributes:
        accepted: utterances that were spoken.
        refused: requests that were refused.
        underrun_s: of all utterances.
        delays_s: after which refused requests should be made again.
    """

    def __init__(self, address: str, token: str) -> None:
        self.accepted = self.refused = 0
        self.underrun_s = 0.0
        self.delays_s: list[float] = []
        self._client = barkclient.AsyncClient(address, timeout=60, token=token)

    async def speak(self) -> None:
        """Request one utterance and read it."""
        started = time.monotonic()
        arrivals = []
        try:
            async for chunk in self._client.synthesize(TEXT, voice="none"):
                seconds = chunk.sample_count / chunk.sample_rate
                arrivals.append(Arrival(time.monotonic() - started, seconds))
        except barkclient.Overloaded as error:
            self.refused += 1
            self.delays_s.append(error.retry_after_s or 0.0)
            await asyncio.sleep(0.5)  # it does not wait as long as it is told to
            return
        self.accepted += 1
        self.underrun_s += underrun_s(arrivals)

    async def speak_forever(self) -> None:
        """Request utterances until cancelled."""
        while True:
            await self.speak()


async def test_greedy_caller_cannot_shut_out_a_polite_one(tmp_path: Path) -> None:
    """One caller opens ten times the capacity, another one stream at a time."""
    tokens = {name: new_token() for name in ("greedy", "polite")}
    entries = (
        f'[[caller]]\nname = "{name}"\ntoken_sha256 = "{hash_of(token)}"\nroles = ["speak"]\n'
        for name, token in tokens.items()
    )
    (tmp_path / "tokens.toml").write_text("".join(entries))
    async with slow_system(
        tmp_path,
        "--assumed-streams=1",
        "--queue-seconds=10",
        f"--auth-tokens={tmp_path}/tokens.toml",
    ) as system:
        greedy, polite = (Caller(system.address, token) for token in tokens.values())
        crowd = [asyncio.create_task(greedy.speak_forever()) for _ in range(10 * CAPACITY)]
        while not greedy.refused:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        for _ in range(3):
            await polite.speak()
        for task in crowd:
            task.cancel()
        await asyncio.wait(crowd)
    assert (polite.accepted, polite.refused) == (3, 0)
    assert polite.underrun_s < ALLOWED_UNDERRUN_S
    assert greedy.accepted
    assert min(greedy.delays_s) > 0
