"""The option values that say where replicas are."""

import sys

import pytest

from barkserve.discovery.dns import DnsResolver
from barkserve.discovery.endpoint import Endpoint, Resolver
from barkserve.discovery.endpoint_slices import EndpointSliceResolver
from barkserve.discovery.spec import resolver_of
from barkserve.errors import StartupError


def resolver(text: str) -> Resolver:
    return resolver_of("--coarse", text, 50053)


@pytest.mark.parametrize("prefix", ["", "static:"])
async def test_address_list_is_static(prefix: str) -> None:
    found = resolver(prefix + "a:1, b.c:2,[::1]:3,a:1")
    assert [endpoints async for endpoints in found.watch()] == [
        (Endpoint("a:1"), Endpoint("b.c:2"), Endpoint("[::1]:3"))
    ]


def test_server_name_is_the_one_in_certificates() -> None:
    assert isinstance(resolver("dns:bark-coarse:50053"), DnsResolver)
    assert resolver("dns:bark-coarse:50053").server_name == "bark-coarse"
    assert isinstance(resolver("kubernetes:bark-coarse"), EndpointSliceResolver)
    assert resolver("kubernetes:bark-coarse.speech:1").server_name == "bark-coarse.speech.svc"
    assert resolver("kubernetes:bark-coarse").server_name == "bark-coarse.default.svc"


@pytest.mark.parametrize(
    "text",
    [
        "", ",", "a", "a:", ":1", "a:0", "a:65536", "a:1,b", "http://a:1", "static:", "a:1:2",
        "dns:", "dns:a", "dns:a:0", "dns:a:1,b:2", "kubernetes:", "kubernetes:a.b.c",
        "kubernetes:A", "kubernetes:a:0", "kubernetes:a/b", "consul:a:1",
    ],
)  # fmt: skip
def test_other_forms_are_rejected_with_the_flag(text: str) -> None:
    with pytest.raises(StartupError, match=r"^--coarse: .* is not "):
        resolver(text)


def test_missing_client_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "kubernetes.aio", None)
    with pytest.raises(StartupError, match=r"pip install 'barkserve\[kubernetes\]'"):
        resolver("kubernetes:bark-coarse")
