"""One replica: its connection, its load reports, and the streams started on it."""

import asyncio
import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import grpc

from barkserve.discovery.endpoint import Endpoint
from barkserve.discovery.report_clock import ReportClock
from barkserve.external import orca_load_report_pb2, orca_pb2, orca_pb2_grpc
from barkserve.serving.channel import Dialer
from barkserve.serving.load import VERSION_KEY, Load

_log = logging.getLogger(__name__)

REPORT_INTERVAL_S = 0.5
"""The interval of load reports that a replica is asked for."""

FIRST_BACKOFF_S, LAST_BACKOFF_S = 0.2, 1.0
"""Pauses between attempts to reach it. Streams may wait for it to restart, so they are short."""

UNREACHABLE_AFTER_S = 3.0
"""A replica that cannot be reached for longer is logged. One that starts or restarts is not."""

BUSY_WINDOW_S = 2.0


@dataclass(eq=False)
class _Connection:
    channel: grpc.aio.Channel
    version: int
    users: int = 0


class Replica:
    """A replica whose load reports are received until it is retired.

    Args:
        endpoint: its address.
        dialer: opens channels.
        server_name: the name in its certificate; empty means the host of the address.

    Attributes:
        load: its last report; None before the first one and while it cannot be reached.
        stale: whether it stopped sending reports without closing the connection. It is presumed
            hung until the next report.
        unreachable: why the last attempt to reach it failed; empty if it did not.
        busy: share of the last seconds in which its model computed, 0 to 1.
        burst_s: mean time of a pass of its model when it last computed; 0 before the first one.
        version: the version of barkserve that it runs; empty if unknown.
        clock_offset_s: its clock minus ours, by its last report.
        unreported_streams: streams started here that the last report may not include.
        streams_elsewhere: streams that other processes run on it.
        failures: consecutive streams that broke or could not start.
        avoided_until: time.monotonic() until which other replicas are preferred.
    """

    def __init__(self, endpoint: Endpoint, dialer: Dialer, server_name: str) -> None:
        self.endpoint = endpoint
        self.load: Load | None = None
        self.stale = False
        self.unreachable = ""
        self.busy = 0.0
        self.burst_s = 0.0
        self.version = ""
        self.clock_offset_s = 0.0
        self.unreported_streams = 0
        self.streams_elsewhere = 0.0
        self.failures = 0
        self.avoided_until = 0.0
        self._dialer = dialer
        self._server_name = server_name
        self._connection: _Connection | None = None
        self._loop: asyncio.AbstractEventLoop | None = None  # the connections'
        self._closing: set[asyncio.Task[None]] = set()
        self._retired = False
        self._own_streams = self._own_peak = 0  # now, and most since the last report
        self._unreported_before = 0  # those from before the last report
        self._marks: list[tuple[float, Load]] = []  # when, and the report; oldest first
        self._listening: asyncio.Task[None] | None = None
        self._reported_at: float | None = None  # None while no reports are due
        self._lost_at: float | None = None  # None while it can be reached
        self._loss_logged = False

    @property
    def address(self) -> str:
        """host:port."""
        return self.endpoint.address

    @property
    def via(self) -> str:
        """Names the proxy in front of it, for error messages; empty if there is none."""
        return self._dialer.via(self.address)

    @property
    def draining(self) -> bool:
        """Whether it accepts no new streams, by its own report or by the resolver."""
        return self.endpoint.draining or bool(self.load is not None and self.load.draining)

    @property
    def silent(self) -> bool:
        """Whether it cannot be reached, or has not reported yet."""
        return self.load is None

    @property
    def idle(self) -> bool:
        """Whether no stream of this process uses its newest connection."""
        return self._connection is None or self._connection.users == 0

    def listen(self) -> None:
        """Start to receive its load reports."""
        self._listening = asyncio.create_task(self._listen(), name=f"load of {self.address}")

    def note_report(self, load: Load, now: float) -> None:
        """Store a load report that arrived at `now`, a time.monotonic()."""
        self._note_busy(load, now)
        if load.unix_seconds:
            self.clock_offset_s = load.unix_seconds - time.time()
        taken = load.taken - (0 if self.load is None else self.load.taken)
        self._note_taken(round(taken))
        self.streams_elsewhere = max(0.0, load.streams - self._own_peak)
        self._own_peak = self._own_streams
        self.load = load
        self._reported_at = now
        self._note_reachable()
        if self.stale:
            self.stale = False
            _log.warning("replica %s sends load reports again", self.address)

    def _note_busy(self, load: Load, now: float) -> None:
        """Measure how much the model computed lately, and how long its passes took."""
        if self._marks and load.busy_seconds < self._marks[-1][1].busy_seconds:
            self._marks.clear()  # a new process at this address
        self._marks.append((now, load))
        while len(self._marks) > 2 and self._marks[1][0] < now - BUSY_WINDOW_S:
            del self._marks[0]
        first_at, before = self._marks[0]
        busy_s, elapsed = load.busy_seconds - before.busy_seconds, now - first_at
        self.busy = min(1.0, busy_s / elapsed) if elapsed > 0 else 0.0
        if load.bursts > before.bursts:
            self.burst_s = busy_s / (load.bursts - before.bursts)

    def note_unreachable(self, reason: str, now: float) -> None:
        """Forget the last report: the connection broke, or could not be made.

        Args:
            reason: why.
            now: time.monotonic().
        """
        self.load = self._reported_at = None
        self.unreachable = reason
        if self._lost_at is None:
            self._lost_at = now
        if now - self._lost_at > UNREACHABLE_AFTER_S and not self._loss_logged:
            self._loss_logged = True
            _log.warning(
                "cannot reach replica %s%s, still trying: %s", self.address, self.via, reason
            )
        self.streams_elsewhere = 0.0

    def check_reports(self, clock: ReportClock) -> None:
        """Mark the replica as stale if its last report is too old.

        A replica that cannot be reached, or that never sent a report, does not become stale.
        """
        if self.stale or self._reported_at is None or not clock.is_stale(self._reported_at):
            return
        self.stale = True
        _log.warning("replica %s sends no load reports; other replicas are used", self.address)

    def begin_stream(self) -> None:
        """Count a stream of this process."""
        self.unreported_streams += 1
        self._own_streams += 1
        self._own_peak = max(self._own_peak, self._own_streams)

    def end_stream(self) -> None:
        """Stop counting a stream of this process."""
        self._own_streams -= 1

    @contextmanager
    def stream(self) -> Iterator[grpc.aio.Channel]:
        """A channel that stays open for the whole block, even if the replica is retired."""
        connection = self._current()
        connection.users += 1
        try:
            yield connection.channel
        finally:
            connection.users -= 1
            if connection.users == 0 and (self._retired or connection is not self._connection):
                self._close(connection)

    def retire(self) -> None:
        """Start no more streams; the connection closes after the last running one."""
        self._retired = True
        self._reported_at = None
        if self._listening is not None:
            self._listening.cancel()
        if self._connection is not None and self._connection.users == 0:
            self._close(self._connection)

    async def close(self) -> None:
        """Close the connection now, and stop receiving reports."""
        self.retire()
        if self._listening is not None:
            await asyncio.gather(self._listening, return_exceptions=True)
        if self._connection is not None:
            await self._connection.channel.close(grace=None)
        await asyncio.gather(*self._closing)

    def _current(self) -> _Connection:
        """The connection for new streams; a new one after the certificates have changed."""
        before, version = self._connection, self._dialer.version
        if before is not None and before.version == version:
            return before
        channel = self._dialer.open(self.address, self._server_name)
        self._loop = asyncio.get_running_loop()
        self._connection = _Connection(channel, version)
        if before is not None and before.users == 0:
            self._close(before)
        return self._connection

    def _close(self, connection: _Connection) -> None:
        if self._loop is None or self._loop.is_closed():
            return  # a stream that was garbage-collected after its event loop
        task = self._loop.create_task(connection.channel.close(grace=None))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def _listen(self) -> None:
        backoff = FIRST_BACKOFF_S
        while True:
            try:
                with self.stream() as channel:
                    reports = _reports(channel)
                    self.version = _version_in(await reports.initial_metadata())
                    async for report in reports:
                        self.note_report(Load.from_report(report), time.monotonic())
                        backoff = FIRST_BACKOFF_S
            except grpc.aio.AioRpcError as error:
                _log.debug("no load report from %s: %s", self.address, error.details())
                if error.code() is grpc.StatusCode.UNIMPLEMENTED:
                    self.note_report(Load(), time.monotonic())  # it is alive
                    self._reported_at = None  # and has no load reports
                    return
                self._note_broken(error)
            await asyncio.sleep(backoff)
            backoff = min(LAST_BACKOFF_S, backoff * 2)

    def _note_broken(self, error: grpc.aio.AioRpcError) -> None:
        """Store that reports ended. A replica that refuses to send them can be reached."""
        if error.code() is grpc.StatusCode.UNAVAILABLE:
            self.note_unreachable(error.details() or "no reason given", time.monotonic())
        else:
            self.load = self._reported_at = None
            self._note_reachable()

    def _note_reachable(self) -> None:
        self.unreachable, self._lost_at = "", None
        if self._loss_logged:
            self._loss_logged = False
            _log.warning("replica %s can be reached again", self.address)

    def _note_taken(self, taken: int) -> None:
        """Remove the streams that the report includes.

        A report may not include streams that started while it was on its way. Those stay until the
        next report. A stream that never arrived is removed then, too.
        """
        since_last = self.unreported_streams - self._unreported_before
        self.unreported_streams = self._unreported_before = min(
            since_last, max(0, self.unreported_streams - taken)
        )


def loads_of(replicas: Sequence[Replica]) -> dict[object, Load]:
    """The last load report of each replica that sends them, by address.

    Not those of hung replicas: their streams have moved to others.
    """
    return {
        replica.address: replica.load
        for replica in replicas
        if replica.load is not None and not replica.stale
    }


def _reports(
    channel: grpc.aio.Channel,
) -> grpc.aio.UnaryStreamCall[orca_pb2.OrcaLoadReportRequest, orca_load_report_pb2.OrcaLoadReport]:
    request = orca_pb2.OrcaLoadReportRequest()
    request.report_interval.FromMilliseconds(round(REPORT_INTERVAL_S * 1000))
    return orca_pb2_grpc.OpenRcaServiceStub(channel).StreamCoreMetrics(request)


def _version_in(metadata: grpc.aio.Metadata) -> str:
    return str(metadata.get(VERSION_KEY, ""))
