"""How many streams may be in a stage."""

import pytest

from barkserve.errors import Overloaded
from barkserve.serving.admission import Admission


def test_the_stream_beyond_the_limit_is_turned_away_at_once() -> None:
    admission = Admission(capacity=2, retry_after_s=3)
    with admission.stream(), admission.stream():
        with pytest.raises(Overloaded, match=r"2 streams .* 2 is its limit; .* replica") as caught:
            admission.stream().__enter__()
        assert caught.value.retry_after_s == 3
        assert admission.active == 2
    assert admission.active == 0


def test_a_stream_that_fails_gives_its_place_back() -> None:
    admission = Admission(capacity=1)
    with pytest.raises(ZeroDivisionError), admission.stream():
        raise ZeroDivisionError
    with admission.stream():
        assert admission.active == 1
