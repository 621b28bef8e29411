"""The options of `barkserve autoscaler`."""

from dataclasses import dataclass

from barkserve.config.admission import AssumedCapacityOptions
from barkserve.config.authentication import AuthenticationOptions
from barkserve.config.calls import StageAddressOptions
from barkserve.config.orchestrator import OrchestratorOptions
from barkserve.config.process import ServiceOptions
from barkserve.config.texts import METRICS_PORT, PORT, REPLICAS
from barkserve.options import option, port_option


@dataclass(frozen=True)
class AutoscalerOptions(
    AuthenticationOptions, AssumedCapacityOptions, StageAddressOptions, ServiceOptions
):
    """Options of `barkserve autoscaler`."""

    port: int = port_option(50056, PORT)
    metrics_port: int = port_option(9469, METRICS_PORT)
    orchestrator: str = option(
        f"127.0.0.1:{OrchestratorOptions.port}", REPLICAS.format("orchestrator")
    )
    target_utilization: float = option(
        0.7, "share of a replica's measured capacity that running streams may use"
    )
    idle_seconds: float = option(
        300.0, "time after the last stream for which each stage keeps a replica"
    )
    token_file: str = option(
        "",
        "file with the token for the orchestrator, of a caller with the role operate; it is read "
        "again when it changes",
    )
