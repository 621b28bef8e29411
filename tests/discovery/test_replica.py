"""The streams of a replica between its load reports."""

import asyncio
from importlib import metadata
from pathlib import Path

import pytest

from barkserve.discovery.describe import describe
from barkserve.discovery.endpoint import Endpoint
from barkserve.discovery.replica import Replica
from barkserve.serving.channel import Dialer
from barkserve.serving.load import Load
from tests.support.services import running


@pytest.mark.parametrize(
    ("started", "taken", "unreported"),
    [
        ([1], [1], [0]),
        ([1, 0], [0, 1], [1, 0]),  # the report was sent before the stream arrived
        ([1, 0], [0, 0], [1, 0]),  # the stream never arrived
        ([3, 2], [2, 3], [1, 0]),
        ([3, 2], [2, 2], [1, 1]),
        ([1, 1], [4, 0], [0, 1]),  # other processes start streams, too
    ],
)
def test_stream_is_unreported_until_a_report_counts_it(
    started: list[int], taken: list[int], unreported: list[int]
) -> None:
    replica = Replica(Endpoint("a:1"), Dialer(), "")
    seen, total = [], 7
    replica.note_report(Load(taken=total), now=1.0)
    for now, (streams, counted) in enumerate(zip(started, taken, strict=True), 2):
        replica.unreported_streams += streams
        total += counted
        replica.note_report(Load(taken=total), float(now))
        seen.append(replica.unreported_streams)
    assert seen == unreported


def test_burst_time_is_that_of_the_last_computation() -> None:
    replica = Replica(Endpoint("a:1"), Dialer(), "")
    reports = [(0, 0), (0.5, 10), (0.5, 10), (0.5, 10), (0.5, 10), (0.5, 10), (1.5, 12)]
    bursts = []
    for now, (busy, count) in enumerate(reports, 1):
        replica.note_report(Load(busy_seconds=busy, bursts=count), float(now))
        bursts.append(replica.burst_s)
    assert bursts == [0, 0.05, 0.05, 0.05, 0.05, 0.05, 0.5]


def test_status_has_the_reason_of_an_unreachable_replica() -> None:
    replica = Replica(Endpoint("a:1"), Dialer(), "")
    assert describe("fine", replica).reason == ""
    replica.note_unreachable("Connection refused", 1.0)
    assert describe("fine", replica).reason == "Connection refused"


async def test_status_has_version_and_clock_of_a_running_stage(tiny_folder: Path) -> None:
    async with running("codec", tiny_folder) as codec:
        replica = Replica(Endpoint(codec.address), Dialer(), "")
        replica.listen()
        try:
            async with asyncio.timeout(60):
                while replica.silent:  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
        finally:
            await replica.close()
        status = describe("codec", replica)
        assert status.version == metadata.version("barkserve")
        assert abs(status.clock_offset_seconds) < 5
        assert (status.burst_seconds, status.reason) == (0, "")
