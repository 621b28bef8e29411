"""The registry of services: one entry for each service that `barkserve` can run.

The command line, `barkserve up`, the discovery defaults and the tests of the Helm chart read it.
It imports no builder, so that listing the services loads neither gRPC nor PyTorch.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from barkserve.config.autoscaler import AutoscalerOptions
from barkserve.config.gateway import GatewayOptions
from barkserve.config.model import CheckpointOptions
from barkserve.config.orchestrator import OrchestratorOptions
from barkserve.config.process import ProcessOptions
from barkserve.config.stages import (
    CoarseOptions,
    CodecOptions,
    FineOptions,
    SemanticOptions,
    StageOptions,
)

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

AUTOSCALER_SERVICE = "barkserve.v1.AutoscalerService"
STATUS_SERVICE = "barkserve.v1.StatusService"
RIVA_SERVICE = "nvidia.riva.tts.RivaSpeechSynthesis"


@dataclass(frozen=True)
class ServiceEntry:
    """What is known about a service without running it.

    Attributes:
        name: the command, and the value of the `stage` label in metrics.
        options: its options class; the defaults of `port` and `metrics_port` are its ports.
        full_name: its gRPC service, which is also its name in grpc.health.v1; empty if it speaks
            HTTP.
        builder: the module whose `build(options, metrics)` makes the service.
        summary: one line for `barkserve --help`.
        extra_services: gRPC services that it serves on the same port.
        runs_in_up: whether `barkserve up` starts it.
    """

    name: str
    options: type[ProcessOptions]
    full_name: str
    builder: str
    summary: str
    extra_services: tuple[str, ...] = ()
    runs_in_up: bool = True

    @property
    def port(self) -> int:
        """The default port of its clients."""
        return self.options.port

    @property
    def metrics_port(self) -> int:
        """Its default Prometheus port."""
        return self.options.metrics_port

    @property
    def is_http(self) -> bool:
        """Whether it speaks HTTP instead of gRPC."""
        return not self.full_name

    @property
    def is_stage(self) -> bool:
        """Whether it runs a model."""
        return issubclass(self.options, StageOptions)

    @property
    def reads_checkpoint(self) -> bool:
        """Whether `barkserve fetch` has files for it."""
        return issubclass(self.options, CheckpointOptions)

    @property
    def option_names(self) -> frozenset[str]:
        """The names of its options, as in the options class."""
        return frozenset(entry.name for entry in fields(self.options))


ORCHESTRATOR = ServiceEntry(
    name="orchestrator",
    options=OrchestratorOptions,
    full_name="barkserve.v1.SpeechService",
    builder="barkserve.building.orchestrator",
    summary="the public service, which calls the stages; does not need PyTorch",
    extra_services=(STATUS_SERVICE, RIVA_SERVICE),
)
SEMANTIC = ServiceEntry(
    name="semantic",
    options=SemanticOptions,
    full_name="barkserve.v1.SemanticService",
    builder="barkserve.building.semantic",
    summary="stage: text to semantic tokens",
)
COARSE = ServiceEntry(
    name="coarse",
    options=CoarseOptions,
    full_name="barkserve.v1.CoarseService",
    builder="barkserve.building.coarse",
    summary="stage: semantic tokens to the first two codebooks",
)
FINE = ServiceEntry(
    name="fine",
    options=FineOptions,
    full_name="barkserve.v1.FineService",
    builder="barkserve.building.fine",
    summary="stage: two codebooks to all eight",
)
CODEC = ServiceEntry(
    name="codec",
    options=CodecOptions,
    full_name="barkserve.v1.CodecService",
    builder="barkserve.building.codec",
    summary="stage: codes to audio samples",
)
GATEWAY = ServiceEntry(
    name="gateway",
    options=GatewayOptions,
    full_name="",
    builder="barkserve.building.gateway",
    summary="HTTP and WebSocket in front of the orchestrator; does not need PyTorch",
)
AUTOSCALER = ServiceEntry(
    name="autoscaler",
    options=AutoscalerOptions,
    full_name="externalscaler.ExternalScaler",
    builder="barkserve.building.autoscaler",
    summary="recommends a number of replicas for each service, for KEDA and Prometheus",
    extra_services=(AUTOSCALER_SERVICE,),
    runs_in_up=False,
)

SERVICES: tuple[ServiceEntry, ...] = (
    ORCHESTRATOR,
    SEMANTIC,
    COARSE,
    FINE,
    CODEC,
    GATEWAY,
    AUTOSCALER,
)
"""All services. The stages are in the order of the audio."""

GRPC_SERVICES = tuple(entry for entry in SERVICES if not entry.is_http)
"""Those that speak gRPC, in the order of their ports."""


def service_named(name: str) -> ServiceEntry:
    """The entry with this name."""
    return next(entry for entry in SERVICES if entry.name == name)


def callees(caller: type["DataclassInstance"]) -> Iterator[ServiceEntry]:
    """The services that a command calls: those with an option that says where they are."""
    names = {entry.name for entry in fields(caller)}
    return (entry for entry in SERVICES if entry.name in names)
