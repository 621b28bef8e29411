"""All services of a deployment in virtual time, and the streams that clients open."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from barkclient.bench.stream import OK, Arrival, StreamRecord
from barkserve.config.admission import AdmissionOptions
from barkserve.config.orchestrator import OrchestratorOptions
from barkserve.constants import STAGES, StageName
from barkserve.discovery.replica import REPORT_INTERVAL_S
from barkserve.errors import Overloaded
from barkserve.orchestrator.admission.admission import StreamAdmission
from barkserve.orchestrator.admission.capacity import RateCapacity, unlimited
from barkserve.orchestrator.admission.stream import SECONDS_PER_CHARACTER
from barkserve.orchestrator.stages.pool import CHECK_INTERVAL_S
from barkserve.simulation.chain import Chain, Utterance
from barkserve.simulation.device import SharedDevice
from barkserve.simulation.pool import SimulatedPool
from barkserve.simulation.profile import Profile
from barkserve.simulation.virtual_time import now

REFUSED = "RESOURCE_EXHAUSTED"


@dataclass(frozen=True)
class Deployment:
    """What runs where.

    Attributes:
        replicas: of each stage, at the start.
        max_streams: streams of all orchestrators together.
        zones: over which the replicas of each stage are spread.
        options: how streams are admitted.
        seed: of the choice of replicas.
    """

    replicas: Mapping[StageName, int]
    max_streams: int = OrchestratorOptions.max_streams
    zones: int = 1
    options: AdmissionOptions = field(default_factory=AdmissionOptions)
    seed: int = 0


class System:
    """The services. Several orchestrators count as one, with the limit of all together.

    Args:
        profile: how long everything takes.
        deployment: what runs where.

    Attributes:
        profile: as of now; `change_profile` replaces it.
        pools: the replicas of each stage.
        admission: the orchestrator's.
        cores: of a machine that all services share; None: each replica has its own device.
    """

    def __init__(self, profile: Profile, deployment: Deployment) -> None:
        self.profile = profile
        self.cores = SharedDevice(profile.shared_cores) if profile.shared_cores else None
        self.pools = {
            stage: SimulatedPool(
                stage, lambda: self.profile, self.cores, deployment.zones, deployment.seed
            )
            for stage in STAGES
        }
        for stage, pool in self.pools.items():
            for _ in range(deployment.replicas[stage]):
                pool.add()
        options = deployment.options
        capacity = RateCapacity(self.pools, options.admission_share, options.assumed_streams)
        self.admission = StreamAdmission(
            deployment.max_streams,
            unlimited(capacity) if options.admission == "count" else capacity,
            options.queue_seconds,
        )
        self._host: set[asyncio.Task[None]] = set()
        self._tasks = [
            asyncio.create_task(self._every(REPORT_INTERVAL_S, self._report)),
            asyncio.create_task(self._every(CHECK_INTERVAL_S, self._check)),
        ]

    def change_profile(self, profile: Profile) -> None:
        """Let everything take another time from now on."""
        self.profile = profile
        for pool in self.pools.values():
            pool.change_times()

    def stop(self) -> None:
        """Stop all replicas."""
        for task in self._tasks:
            task.cancel()
        for pool in self.pools.values():
            for replica in pool.replicas:
                replica.engine.stop()

    async def speak(self, utterance: Utterance, index: int, began_at: float) -> StreamRecord:
        """Run one stream; a refusal becomes the status of its record.

        Args:
            utterance: what to speak.
            index: the number of the stream.
            began_at: when the measurement began.
        """
        begun_at, arrivals = now(), list[Arrival]()
        status, message, retry_after_s = OK, "", 0.0
        try:
            characters = round(utterance.audio_s / SECONDS_PER_CHARACTER)
            async with self.admission.stream(characters) as stream:
                async for seconds in Chain(self.profile, self.pools, utterance).speak():
                    arrivals.append(Arrival(now() - begun_at, seconds))
                    stream.made_s += seconds
                    self._compute_on_host(seconds)
        except Overloaded as error:
            status, message, retry_after_s = REFUSED, str(error), error.retry_after_s
        return StreamRecord(
            index=index,
            begun_s=begun_at - began_at,
            ended_s=now() - begun_at,
            arrivals=tuple(arrivals),
            status=status,
            message=message,
            retry_after_s=retry_after_s,
        )

    def _compute_on_host(self, audio_s: float) -> None:
        """Use the cores as the services and the client do beside their models."""
        host_s = sum(times.host_s for times in self.profile.stages.values())
        if self.cores is not None and host_s:
            task = asyncio.create_task(self.cores.compute(audio_s * host_s))
            self._host.add(task)
            task.add_done_callback(self._host.discard)

    def _report(self) -> None:
        for pool in self.pools.values():
            pool.report()

    def _check(self) -> None:
        for pool in self.pools.values():
            pool.check_reports(now())
            pool.observe()

    async def _every(self, seconds: float, act: Callable[[], None]) -> None:
        with suppress(asyncio.CancelledError):
            while True:
                await asyncio.sleep(seconds)
                act()
