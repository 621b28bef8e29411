"""The conversion of EndpointSlices to endpoints."""

from typing import Any

import pytest

from barkserve.discovery.endpoint import Endpoint
from barkserve.discovery.slice_state import endpoints_of
from fixtures.kubernetes_api import endpoint


def one_slice(*endpoints: dict[str, Any], ports: Any = ()) -> dict[str, Any]:
    return {"metadata": {"name": "a"}, "endpoints": list(endpoints), "ports": list(ports)}


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ({}, "takes streams"),
        ({"ready": True}, "takes streams"),
        ({"ready": True, "serving": True, "terminating": False}, "takes streams"),
        ({"ready": False}, "absent"),
        ({"ready": False, "serving": False, "terminating": False}, "absent"),
        ({"ready": False, "serving": True, "terminating": True}, "drains"),
        ({"ready": False, "serving": False, "terminating": True}, "absent"),
    ],
)
def test_conditions_decide_if_a_replica_serves(conditions: dict[str, bool], expected: str) -> None:
    found = endpoints_of([one_slice(endpoint("10.0.0.1", **conditions))], 1, 2)
    draining = expected == "drains"
    assert found == (() if expected == "absent" else (Endpoint("10.0.0.1:1", draining),))


def test_address_in_two_slices_drains_only_if_both_say_so() -> None:
    terminating = endpoint("10.0.0.1", ready=False, serving=True, terminating=True)
    ready = endpoint("10.0.0.1", ready=True)
    for order in ((terminating, ready), (ready, terminating)):
        assert endpoints_of(map(one_slice, order), 1, 2) == (Endpoint("10.0.0.1:1"),)
    assert endpoints_of(map(one_slice, (terminating, terminating)), 1, 2)[0].draining


@pytest.mark.parametrize(
    ("ports", "asked", "expected"),
    [
        ([{"name": "metrics", "port": 9}, {"name": "grpc", "port": 7}], None, 7),
        ([{"name": "grpc", "port": 7}], 8, 8),
        ([{"name": "", "port": 7}], None, 7),
        ([{"name": "a", "port": 5}, {"name": "b", "port": 6}], None, 2),
        ([], None, 2),
        ([{"name": "grpc"}], None, 2),
    ],
)
def test_port_is_the_given_or_that_of_the_slice(
    ports: list[dict[str, Any]], asked: int | None, expected: int
) -> None:
    found = endpoints_of([one_slice(endpoint("10.0.0.1"), ports=ports)], asked, 2)
    assert found == (Endpoint(f"10.0.0.1:{expected}"),)


def test_ipv6_address_gets_brackets() -> None:
    assert endpoints_of([one_slice(endpoint("fd00::1"))], 1, 2) == (Endpoint("[fd00::1]:1"),)


def test_slice_may_have_no_endpoints() -> None:
    assert endpoints_of([{"metadata": {"name": "a"}, "endpoints": None, "ports": None}], 1, 2) == ()
