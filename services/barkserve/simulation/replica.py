"""A replica of a stage: its process, and what the callers know of it."""

from barkserve.config.stages import StageOptions
from barkserve.constants import StageName
from barkserve.discovery.endpoint import Endpoint
from barkserve.discovery.replica import Replica
from barkserve.serving.admission import Admission
from barkserve.serving.channel import Dialer
from barkserve.serving.load import ReadLoad, load_of, slotted_load_of
from barkserve.simulation.batch_engine import BatchEngine
from barkserve.simulation.decode_engine import DecodeEngine
from barkserve.simulation.device import Device
from barkserve.simulation.profile import StageTimes
from barkserve.simulation.virtual_time import now

CAUSAL = ("semantic", "coarse")


class SimulatedReplica(Replica):
    """A replica without a connection.

    Args:
        stage: the stage's name.
        number: tells it from the stage's other replicas.
        zone: where it runs.
        times: how long its model computes.
        device: what computes.
        interruptible: see `Profile`.

    Attributes:
        engine: its model.
        admission: its streams.
        zone: where it runs.
        lost: whether its process is gone.
    """

    def __init__(
        self,
        stage: StageName,
        number: int,
        zone: int,
        times: StageTimes,
        device: Device,
        *,
        interruptible: bool,
    ) -> None:
        super().__init__(Endpoint(f"{stage}-{number}:0"), Dialer(), "")
        self.zone = zone
        self.lost = False
        self.admission = Admission(max(StageOptions.max_streams, times.batch))
        self.engine: DecodeEngine | BatchEngine
        self._read: ReadLoad
        if stage in CAUSAL:
            self.engine = DecodeEngine(times, device, interruptible=interruptible)
            self._read = slotted_load_of(self.admission, self.engine)
        else:
            self.engine = BatchEngine(times, device)
            self._read = load_of(self.admission, self.engine)

    def report(self) -> None:
        """Send a load report, unless the process is gone."""
        if not self.lost:
            self.note_report(self._read(), now())

    def hang(self) -> None:
        """Lose the process without closing its connections."""
        self.lost = True
        self.engine.stop()

    def drain(self) -> None:
        """Accept no further streams."""
        self.endpoint = Endpoint(self.address, draining=True)
