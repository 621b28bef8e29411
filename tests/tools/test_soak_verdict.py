"""The soak fails for memory that grows, event loops that stall and processes that restart."""

import pytest

from tools.soak.sample import Sample
from tools.soak.verdict import judge

MEBIBYTE = 1 << 20


def samples(*mebibytes: int, stalls: int = 0, last_pid: int = 1) -> list[Sample]:
    taken = [Sample(1, each * MEBIBYTE, 2, 0.2, 0.01) for each in mebibytes]
    taken[-1] = Sample(last_pid, taken[-1].rss_bytes, 2 + stalls, 0.2, 0.01)
    return taken


@pytest.mark.parametrize(
    ("taken", "growth", "holds"),
    [
        (samples(100, 300, 300, 300, 300, 300, 300, 300), 0, True),
        (samples(100, 100, 300, 300, 310, 310, 320, 320), 20, True),
        (samples(100, 100, 300, 300, 350, 350, 400, 400), 100, False),
        (samples(300, 300, 300, 300, 300, 300, 300, 300, stalls=1), 0, False),
        (samples(300, 300, 300, 300, 300, 300, 300, 300, last_pid=2), 0, False),
    ],
)
def test_judge_compares_quarters(taken: list[Sample], growth: int, holds: bool) -> None:
    verdict = judge("codec-0", taken)
    assert (verdict.growth_bytes, verdict.holds) == (growth * MEBIBYTE, holds)
