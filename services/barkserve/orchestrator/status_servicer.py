"""StatusService over gRPC: the load and health of all services, as the orchestrator sees them."""

import time
from collections.abc import Mapping

from barkserve.constants import StageName
from barkserve.discovery.describe import describe, describe_load
from barkserve.orchestrator.stages.pool import StagePool
from barkserve.serving.load import ReadLoad, installed_version
from barkserve.serving.rpc_context import RpcContext
from barkserve.v1 import status_pb2, status_pb2_grpc


class StatusServicer(status_pb2_grpc.StatusServiceServicer):
    """barkserve.v1.StatusService.

    Args:
        pools: the replicas of each stage.
        load: reads the orchestrator's own load.
        address: the orchestrator's own, as far as it knows.
    """

    def __init__(self, pools: Mapping[StageName, StagePool], load: ReadLoad, address: str) -> None:
        self._pools = pools
        self._load = load
        self._address = address

    async def GetStatus(
        self, request: status_pb2.GetStatusRequest, context: RpcContext
    ) -> status_pb2.GetStatusResponse:
        """Describe the orchestrator, then the replicas of each stage."""
        own = describe_load("orchestrator", self._address, self._load())
        own.version = installed_version()
        replicas = [own]
        for stage, pool in self._pools.items():
            replicas += [describe(stage, replica) for replica in pool.replicas]
        return status_pb2.GetStatusResponse(replicas=replicas, unix_seconds=time.time())
