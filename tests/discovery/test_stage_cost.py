"""Streams that a replica serves in real time, from load reports that the test makes."""

import pytest

from barkserve.discovery.stage_cost import FRESH_S, StageCost
from barkserve.serving.load import Load

SHARE = 0.9


class Measurement:
    """Feeds a StageCost with reports of one replica."""

    def __init__(self) -> None:
        self.now = 0.0
        self.cost = StageCost(lambda: self.now)
        self._busy = self._audio = 0.0
        self.run(1, 0, 0)

    def run(self, streams: float, cost: float, audio: float = 10.0) -> None:
        """Report audio that was made while a number of streams ran."""
        for _ in range(2):  # the first report changes the number of streams
            self.cost.observe({"a": self._load(streams)})
        self._busy += cost * audio
        self._audio += audio
        self.cost.observe({"a": self._load(streams)})

    def streams(self, assumed: float = 1) -> float:
        """Streams in real time."""
        return self.cost.real_time_streams(SHARE, assumed)

    def _load(self, streams: float) -> Load:
        return Load(streams=streams, busy_seconds=self._busy, audio_seconds=self._audio)


def test_unmeasured_stage_serves_what_is_assumed() -> None:
    assert Measurement().streams(assumed=4) == 4
    assert Measurement().streams(assumed=0.5) == 1


def test_constant_cost_gives_share_over_cost() -> None:
    measured = Measurement()
    measured.run(1, 0.1)
    assert measured.streams() == pytest.approx(9)
    measured.run(8, 0.1)
    assert measured.streams() == pytest.approx(9)


def test_model_slower_than_real_time_serves_one_stream() -> None:
    measured = Measurement()
    measured.run(1, 2.5)
    assert measured.streams(assumed=4) == 1


def test_batching_model_is_allowed_one_stream_more_each_time() -> None:
    """A step costs the same for any number of streams, so one stream looks expensive."""
    measured = Measurement()
    for streams in range(1, 16):
        measured.run(streams, 0.8 / streams)
        assert measured.streams() >= streams + 0.5


def test_streams_lie_between_sustained_and_excessive_load() -> None:
    """Streams that share cores cost more the more there are."""
    measured = Measurement()
    measured.run(4, 0.2)  # busy for 0.8 s per second
    assert measured.streams() == pytest.approx(5)
    measured.run(8, 0.25)  # 2.0
    assert measured.streams() == pytest.approx(4 + 4 * 0.1 / 1.2)
    assert measured.streams(assumed=40) == measured.streams()


def test_added_streams_cost_as_much_as_the_last_ones() -> None:
    """Three streams fill the cores almost, and a fourth would cost more than the first."""
    measured = Measurement()
    measured.run(1, 0.2)
    measured.run(3, 0.28)  # busy for 0.84 s per second
    assert measured.streams() == pytest.approx(3 + 0.06 / 0.32)


def test_cost_follows_other_programs_within_seconds() -> None:
    measured = Measurement()
    for cost, audio in ((0.2, 100), (0.4, 20)):
        for _ in range(audio):
            measured.run(3, cost, audio=1)
    assert measured.streams() < 3


def test_excessive_load_is_tried_again_after_a_while() -> None:
    measured = Measurement()
    measured.run(2, 0.2)
    measured.run(4, 0.5)  # another program used the cores
    assert 2 < measured.streams() < 3
    measured.now += FRESH_S + 1
    assert measured.streams() == pytest.approx(4.5)


def test_slower_device_raises_the_cost_of_every_load() -> None:
    measured = Measurement()
    for streams in (1, 4, 8):
        measured.run(streams, 0.4 / streams, audio=40)
    assert measured.cost.seconds == pytest.approx(0.05)
    for _ in range(60):
        measured.run(4, 0.3, audio=1)  # three times as long as before
    assert measured.cost.seconds == pytest.approx(0.15, rel=0.1)


def test_cost_of_a_filled_replica_is_kept_while_few_streams_run() -> None:
    """Otherwise nearly empty replicas would look expensive, and none would be removed."""
    measured = Measurement()
    for streams in (1, 8):
        measured.run(streams, 0.4 / streams, audio=40)
    for _ in range(100):
        measured.run(1, 0.4, audio=1)
    assert measured.cost.seconds == pytest.approx(0.05, rel=0.05)
