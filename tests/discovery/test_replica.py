"""What is known of a replica between its reports."""

import pytest

from barkserve.discovery.endpoint import Endpoint
from barkserve.discovery.replica import Replica
from barkserve.serving.channel import Dialer
from barkserve.serving.load import Load


@pytest.mark.parametrize(
    ("given", "taken", "left"),
    [
        ([1], [1], [0]),
        ([1, 0], [0, 1], [1, 0]),  # the report had left before the stream came
        ([1, 0], [0, 0], [1, 0]),  # the stream never came
        ([3, 2], [2, 3], [1, 0]),
        ([3, 2], [2, 2], [1, 1]),
        ([1, 1], [4, 0], [0, 1]),  # others give it streams, too
    ],
)
def test_a_stream_counts_as_given_until_a_report_knows_of_it(
    given: list[int], taken: list[int], left: list[int]
) -> None:
    replica = Replica(Endpoint("a:1"), Dialer(), "")
    seen, total = [], 7
    replica._note(Load(taken=total))
    for streams, counted in zip(given, taken, strict=True):
        replica.given += streams
        total += counted
        replica._note(Load(taken=total))
        seen.append(replica.given)
    assert seen == left
