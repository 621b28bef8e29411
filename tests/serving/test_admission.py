"""Admission: the limit on streams."""

import pytest

from barkserve.errors import Overloaded
from barkserve.serving.admission import Admission


def test_stream_above_the_limit_is_rejected_at_once() -> None:
    admission = Admission(capacity=2, retry_after_s=3)
    with admission.stream(), admission.stream():
        with pytest.raises(Overloaded, match=r"2 streams .* limit is 2: .* replica") as caught:
            admission.stream().__enter__()
        assert caught.value.retry_after_s == 3
        assert admission.active == 2
    assert admission.active == 0


def test_failed_stream_is_no_longer_counted() -> None:
    admission = Admission(capacity=1)
    with pytest.raises(ZeroDivisionError), admission.stream():
        raise ZeroDivisionError
    with admission.stream():
        assert admission.active == 1
