"""Load reports as ORCA defines them: one at once, one per interval, a final one when draining."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import replace

from barkserve.external import orca_load_report_pb2, orca_pb2, orca_pb2_grpc
from barkserve.serving.load import VERSION_KEY, ReadLoad, installed_version
from barkserve.serving.rpc_context import RpcContext

SERVICE_NAME = "xds.service.orca.v3.OpenRcaService"
MIN_INTERVAL_S = 0.1
DEFAULT_INTERVAL_S = 1.0


class LoadReporter(orca_pb2_grpc.OpenRcaServiceServicer):
    """xds.service.orca.v3.OpenRcaService.

    Args:
        read: reads the current load.
    """

    def __init__(self, read: ReadLoad) -> None:
        self._read = read
        self._version = installed_version()  # reads a file, so not at the first request
        self._draining = asyncio.Event()

    def drain(self) -> None:
        """Send every client a final report, which says that this replica is draining."""
        self._draining.set()

    async def StreamCoreMetrics(
        self, request: orca_pb2.OrcaLoadReportRequest, context: RpcContext
    ) -> AsyncGenerator[orca_load_report_pb2.OrcaLoadReport, None]:
        """Report until the client cancels or the service drains."""
        await context.send_initial_metadata(((VERSION_KEY, self._version),))
        requested = request.report_interval.ToNanoseconds() / 1e9
        interval = max(MIN_INTERVAL_S, requested) if requested > 0 else DEFAULT_INTERVAL_S
        while not self._draining.is_set():
            yield self._read().to_report()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._draining.wait(), interval)
        yield replace(self._read(), draining=1).to_report()
