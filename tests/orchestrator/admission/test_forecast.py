"""When a refused stream should call again."""

import pytest

from barkserve.orchestrator.admission.forecast import Promises, free_in_s
from barkserve.orchestrator.admission.stream import SECONDS_PER_CHARACTER, Stream


def stream(audio_s: float, made_s: float = 0.0, accepted_at: float = 0.0) -> Stream:
    characters = round(audio_s / SECONDS_PER_CHARACTER)
    return Stream("caller", characters, made_s, accepted_at)


def test_room_is_free_when_the_shortest_stream_ends() -> None:
    streams = [stream(40), stream(10), stream(20)]
    assert free_in_s(streams, 1, rate=6, now=0) == pytest.approx(10 / 2)
    assert free_in_s(streams, 2, rate=6, now=0) == pytest.approx(20 / 2)
    assert free_in_s(streams, 3, rate=6, now=0) == pytest.approx(40 / 2)


def test_later_places_wait_for_further_streams() -> None:
    streams = [stream(10), stream(10)]
    assert free_in_s(streams, 3, rate=2, now=0) == pytest.approx(20)
    assert free_in_s(streams, 7, rate=2, now=0) == pytest.approx(40)


def test_speed_of_a_slow_reader_counts() -> None:
    """The stages could make 10 s of audio per second, but the client takes only 1 s."""
    reader = stream(30, made_s=10, accepted_at=0)
    assert free_in_s([reader], 1, rate=10, now=10) == pytest.approx(20)


def test_promises_queue_up_for_one_caller() -> None:
    promises = Promises()
    for at in (5.0, 6.0, 7.0):
        promises.add("greedy", at)
    assert promises.ahead("greedy", now=0) == 3
    assert promises.ahead("greedy", now=5.5) == 2


def test_promises_to_one_caller_do_not_delay_another() -> None:
    promises = Promises()
    for _ in range(100):
        promises.add("greedy", 5.0)
    assert promises.ahead("polite", now=0) == 1
    promises.add("polite", 5.0)
    assert promises.ahead("polite", now=0) == 3
