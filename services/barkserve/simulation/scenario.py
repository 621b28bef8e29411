"""A deployment that scales itself under changing load, compared with an oracle."""

import asyncio
import bisect
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import accumulate

from barkclient.bench.stream import OK, StreamRecord
from barkclient.bench.summary import is_clean
from barkserve.constants import STAGES, StageName
from barkserve.simulation.capacity import streams_per_replica
from barkserve.simulation.cluster import Cluster, Event, Scaling
from barkserve.simulation.profile import Profile
from barkserve.simulation.system import REFUSED, Deployment, System
from barkserve.simulation.virtual_time import now, run_in_virtual_time
from barkserve.simulation.workload import Rate, Utterances, arrivals

SAMPLE_S = 5.0


@dataclass(frozen=True)
class Scenario:
    """What happens.

    Attributes:
        name: of the scenario.
        rate: arrivals per second at a time.
        highest: the largest rate.
        duration_s: of the arrivals.
        events: faults.
    """

    name: str
    rate: Rate
    highest: float
    duration_s: float
    events: Sequence[Event] = ()


@dataclass(frozen=True)
class Sample:
    """The state at one time.

    Attributes:
        at_s: the time.
        streams: streams that run.
        pods: of each stage.
        oracle: replicas that the oracle has, of each stage.
    """

    at_s: float
    streams: int
    pods: Mapping[StageName, int]
    oracle: Mapping[StageName, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """The results of a scenario.

    Attributes:
        streams: streams that arrived.
        refused: of them, refused.
        failed: of them, failed in another way.
        c100_share: clean streams among the accepted ones.
        ttfa_p50_s: median time to first audio.
        ttfa_p95_s: its 95th percentile.
        replica_hours: of all stages.
        oracle_replica_hours: of an oracle that knows the load and the capacity in advance.
        samples: the state over time.
        refused_at_s: when streams were refused.
    """

    streams: int
    refused: int
    failed: int
    c100_share: float
    ttfa_p50_s: float
    ttfa_p95_s: float
    replica_hours: float
    oracle_replica_hours: float
    samples: Sequence[Sample]
    refused_at_s: Sequence[float]

    def to_dict(self) -> dict[str, object]:
        """Return the figures without the samples."""
        figures = asdict(self)
        del figures["samples"], figures["refused_at_s"]
        return figures


def simulate_scenario(
    profile: Profile,
    deployment: Deployment,
    scaling: Scaling,
    scenario: Scenario,
    utterances: Utterances,
) -> Outcome:
    """Run a scenario in virtual time."""
    return run_in_virtual_time(_run(profile, deployment, scaling, scenario, utterances))


async def _run(
    profile: Profile,
    deployment: Deployment,
    scaling: Scaling,
    scenario: Scenario,
    utterances: Utterances,
) -> Outcome:
    system = System(profile, deployment)
    cluster = Cluster(system, scaling)
    await cluster.start()
    samples, records = list[Sample](), list[StreamRecord]()
    watching = asyncio.create_task(_watch(system, cluster, samples))
    profiles = [(0.0, profile)]
    began = now()

    async def speak(index: int) -> None:
        records.append(await system.speak(utterances.at(index), index, began))

    async def happen() -> None:
        for at, act in sorted(scenario.events, key=lambda event: event[0]):
            await asyncio.sleep(began + at - now())
            act(system, cluster)
            profiles.append((at, system.profile))

    happening = asyncio.create_task(happen())
    times = arrivals(scenario.rate, scenario.highest, scenario.duration_s, deployment.seed)
    async with asyncio.TaskGroup() as streams:
        for index, at in enumerate(times):
            await asyncio.sleep(began + at - now())
            streams.create_task(speak(index))
    watching.cancel()
    await happening
    await cluster.stop()
    system.stop()
    share = deployment.options.admission_share
    oracle = _Oracle(profiles, records, utterances, share, scaling.least)
    return _outcome(records, [oracle.fill_in(sample) for sample in samples])


async def _watch(system: System, cluster: Cluster, samples: list[Sample]) -> None:
    while True:
        samples.append(Sample(now(), system.admission.active, cluster.pods()))
        await asyncio.sleep(SAMPLE_S)


class _Oracle:
    """Has at each time just the replicas that the listeners need, with no delay.

    A listener needs a stream for as long as its audio plays. The oracle fills replicas up to the
    admission share.
    """

    def __init__(
        self,
        profiles: Sequence[tuple[float, Profile]],
        records: Sequence[StreamRecord],
        utterances: Utterances,
        share: float,
        least: int,
    ) -> None:
        self._capacities = [
            (at, streams_per_replica(profile, share, utterances.mean_s)) for at, profile in profiles
        ]
        begins = [(each.begun_s, 1) for each in records]
        ends = [(r.begun_s + utterances.at(r.index).audio_s, -1) for r in records]
        changes = sorted(begins + ends)
        self._times = [at for at, _ in changes]
        self._listening = list(accumulate(change for _, change in changes))
        self._least = least

    def fill_in(self, sample: Sample) -> Sample:
        """Add the oracle's replicas to a sample."""
        listening = self._most_between(sample.at_s, sample.at_s + SAMPLE_S)
        capacity = [each for at, each in self._capacities if at <= sample.at_s][-1]
        replicas: dict[StageName, int] = {
            stage: max(self._least, math.ceil(listening / capacity[stage])) for stage in STAGES
        }
        return Sample(sample.at_s, sample.streams, sample.pods, replicas)

    def _most_between(self, begin: float, end: float) -> int:
        first, last = bisect.bisect_left(self._times, begin), bisect.bisect_left(self._times, end)
        before = self._listening[first - 1] if first else 0
        return max([before, *self._listening[first:last]])


def _outcome(records: Sequence[StreamRecord], samples: Sequence[Sample]) -> Outcome:
    accepted = [each for each in records if each.status != REFUSED]
    ttfa = sorted(each.ttfa_s for each in records if each.ttfa_s is not None) or [math.nan]
    hours = SAMPLE_S / 3600
    return Outcome(
        streams=len(records),
        refused=len(records) - len(accepted),
        failed=sum(each.status != OK for each in accepted),
        c100_share=sum(map(is_clean, accepted)) / max(1, len(accepted)),
        ttfa_p50_s=ttfa[len(ttfa) // 2],
        ttfa_p95_s=ttfa[int(len(ttfa) * 0.95)],
        replica_hours=hours * sum(sum(each.pods.values()) for each in samples),
        oracle_replica_hours=hours * sum(sum(each.oracle.values()) for each in samples),
        samples=samples,
        refused_at_s=[each.begun_s for each in records if each.status == REFUSED],
    )
