"""The streams of a replica between its load reports."""

import pytest

from barkserve.discovery.endpoint import Endpoint
from barkserve.discovery.replica import Replica
from barkserve.serving.channel import Dialer
from barkserve.serving.load import Load


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
