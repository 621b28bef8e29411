"""Load reports beside the requests, as ORCA has them: one at once, one every interval, a last one
when the service drains. Knows no figures.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import replace

from barkserve.external import orca_load_report_pb2, orca_pb2, orca_pb2_grpc
from barkserve.serving.load import ReadLoad
from barkserve.serving.rpc_context import RpcContext

SERVICE_NAME = "xds.service.orca.v3.OpenRcaService"
MIN_INTERVAL_S = 0.1
DEFAULT_INTERVAL_S = 1.0


class LoadReporter(orca_pb2_grpc.OpenRcaServiceServicer):
    """xds.service.orca.v3.OpenRcaService."""

    def __init__(self, read: ReadLoad) -> None:
        self._read = read
        self._draining = asyncio.Event()

    def drain(self) -> None:
        """Tell all who listen that no further stream is wanted, and end their reports."""
        self._draining.set()

    async def StreamCoreMetrics(
        self, request: orca_pb2.OrcaLoadReportRequest, context: RpcContext
    ) -> AsyncGenerator[orca_load_report_pb2.OrcaLoadReport, None]:
        """Reports until the client leaves or the service drains."""
        wished = request.report_interval.ToNanoseconds() / 1e9
        interval = max(MIN_INTERVAL_S, wished) if wished > 0 else DEFAULT_INTERVAL_S
        while not self._draining.is_set():
            yield self._read().to_report()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._draining.wait(), interval)
        yield replace(self._read(), draining=1).to_report()
