"""The options of services that call other services."""

from dataclasses import dataclass
from typing import Literal

from barkserve.config.stages import CoarseOptions, CodecOptions, FineOptions, SemanticOptions
from barkserve.config.texts import REPLICAS
from barkserve.options import option


@dataclass(frozen=True)
class OutgoingCallOptions:
    """Options of services that call other services."""

    grpc_proxy: Literal["environment", "off"] = option(
        "off",
        "whether calls to services on other machines use the HTTP proxy that the environment names "
        "in grpc_proxy, https_proxy or http_proxy, except for hosts in no_proxy",
        ("environment", "off"),
    )


@dataclass(frozen=True)
class StageAddressOptions(OutgoingCallOptions):
    """Options that say where the replicas of each stage are."""

    semantic: str = option(f"127.0.0.1:{SemanticOptions.port}", REPLICAS.format("semantic stage"))
    coarse: str = option(f"127.0.0.1:{CoarseOptions.port}", REPLICAS.format("coarse stage"))
    fine: str = option(f"127.0.0.1:{FineOptions.port}", REPLICAS.format("fine stage"))
    codec: str = option(f"127.0.0.1:{CodecOptions.port}", REPLICAS.format("codec stage"))


@dataclass(frozen=True)
class ReplicaWaitOptions:
    """How long streams wait for a stage. `barkserve up` passes it on."""

    replica_wait_seconds: float = option(
        60.0,
        "time that a stream waits for a stage without a usable replica, which may be restarting or "
        "scaling up from zero; it waits longer while the listener still has audio to play",
    )
