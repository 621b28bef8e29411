"""The whole simulated chain."""

import asyncio
from dataclasses import replace

import pytest

from barkclient.bench.level import Level
from barkclient.bench.stream import StreamRecord
from barkserve.config.admission import AdmissionOptions
from barkserve.constants import STAGES
from barkserve.simulation.chain import Utterance
from barkserve.simulation.run import Simulated, simulate_level
from barkserve.simulation.system import REFUSED, Deployment, System
from barkserve.simulation.virtual_time import now, run_in_virtual_time
from barkserve.simulation.workload import ALL_LONG, Utterances, Voices
from fixtures.profiles import fast_profile

COUNT = AdmissionOptions(admission="count")
ONE_EACH = Deployment(dict.fromkeys(STAGES, 1), options=COUNT)


def simulate(streams: int, seed: int = 0, deployment: Deployment = ONE_EACH) -> Simulated:
    profile = fast_profile()
    utterances = Utterances(profile.audio_s, ALL_LONG, seed)
    level = Level("open", streams / utterances.mean_s, duration_s=8.0)
    return simulate_level(profile, deployment, utterances, level, seed=seed)


def speak(utterance: Utterance, seed: int = 0) -> StreamRecord:
    async def run() -> StreamRecord:
        system = System(fast_profile(), replace(ONE_EACH, seed=seed))
        record = await system.speak(utterance, 0, now())
        system.stop()
        return record

    return run_in_virtual_time(run())


def test_stream_gets_all_its_audio() -> None:
    record = speak(Utterance(4.0, 512))
    assert record.finished
    assert record.audio_s == pytest.approx(4.0, abs=0.05)


def test_first_audio_is_the_sum_of_its_parts() -> None:
    """Semantic tokens for 30 frames and the first window, 60 codes, a fill and a decode."""
    ttfa_s = speak(Utterance(4.0, 512)).ttfa_s
    # the first window reads 47 tokens after a long voice: 12 messages of 4 tokens
    semantic_s, coarse_s = 0.004 + 47 * 0.001, 0.004 * 4 + 59 * 0.001
    assert ttfa_s == pytest.approx(semantic_s + coarse_s + 0.008 + 0.002 + 5 * 0.001, abs=0.006)


def test_first_audio_is_later_without_a_voice() -> None:
    """The first coarse window then reads 256 tokens of the utterance, or all of them."""
    with_voice, without = speak(Utterance(8.0, 512)), speak(Utterance(8.0, 0))
    assert with_voice.ttfa_s is not None
    assert without.ttfa_s is not None
    assert without.ttfa_s - with_voice.ttfa_s > 0.15  # some 200 tokens of 1 ms


def test_same_seed_gives_the_same_streams() -> None:
    assert simulate(6, seed=3) == simulate(6, seed=3)


def test_other_seed_gives_other_streams() -> None:
    assert simulate(6, seed=3) != simulate(6, seed=4)


def test_streams_obey_littles_law() -> None:
    """Mean number in the system = rate of arrivals x mean time in the system."""
    profile = fast_profile()
    utterances = Utterances(profile.audio_s, ALL_LONG, 0)

    async def run() -> tuple[float, list[StreamRecord], float]:
        system, counts, records = System(profile, ONE_EACH), list[int](), list[StreamRecord]()

        async def watch() -> None:
            while True:
                counts.append(system.admission.active)
                await asyncio.sleep(0.01)

        async def one(index: int) -> None:
            records.append(await system.speak(utterances.at(index), index, 0.0))

        watching = asyncio.create_task(watch())
        async with asyncio.TaskGroup() as tasks:
            for index in range(40):
                await asyncio.sleep(0.3)
                tasks.create_task(one(index))
        watching.cancel()
        system.stop()
        return sum(counts) / len(counts), records, now()

    mean_streams, records, elapsed_s = run_in_virtual_time(run())
    mean_s = sum(each.ended_s for each in records) / len(records)
    assert mean_streams == pytest.approx(len(records) / elapsed_s * mean_s, rel=0.05)


def test_overload_is_refused_with_a_delay() -> None:
    """The admission is the orchestrator's: it learns the capacity and refuses the rest."""
    deployment = replace(ONE_EACH, options=AdmissionOptions())
    simulated = simulate(80, deployment=deployment)
    assert simulated.refused_share > 0.3
    assert REFUSED in simulated.summary.errors
    assert "coarse stage serves" in simulated.summary.reasons[REFUSED] or (
        "which were never more" in simulated.summary.reasons[REFUSED]
    )


def test_twice_the_replicas_serve_twice_the_streams() -> None:
    """A deployment of cells behaves as one cell."""
    small = simulate(12)
    large = simulate(24, deployment=Deployment(dict.fromkeys(STAGES, 2), options=COUNT))
    assert small.summary.ttfa_ms.p50 is not None
    assert large.summary.ttfa_ms.p50 == pytest.approx(small.summary.ttfa_ms.p50, rel=0.15)
    assert large.busy_share["coarse"] == pytest.approx(small.busy_share["coarse"], abs=0.1)


def test_utterances_have_the_mix_of_voices() -> None:
    utterances = Utterances([1.0], Voices({512: 3.0, 0: 1.0}), 0)
    voiced = sum(utterances.at(index).history == 512 for index in range(1000))
    assert voiced == pytest.approx(750, abs=60)
