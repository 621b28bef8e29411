"""X-Forwarded-For is believed from trusted proxies only."""

import pytest

from barkserve.errors import StartupError
from barkserve.serving.trusted_proxies import TrustedProxies

PROXIES = TrustedProxies.from_option("127.0.0.0/8, ::1,10.1.0.0/16")


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "10.1.2.3", "::ffff:10.1.2.3"])
def test_proxy_in_a_network_is_trusted(address: str) -> None:
    assert address in PROXIES


@pytest.mark.parametrize("address", ["10.2.0.1", "fd00::1", "unix", ""])
def test_other_peer_is_not_trusted(address: str) -> None:
    assert address not in PROXIES


@pytest.mark.parametrize(
    ("values", "client"),
    [
        (["203.0.113.7"], "203.0.113.7"),
        (["203.0.113.7, 10.1.0.9"], "203.0.113.7"),
        (["198.51.100.1, 203.0.113.7", "10.1.0.9"], "203.0.113.7"),  # the first may be invented
        (["10.1.0.8, 10.1.0.9"], "10.1.0.8"),
        (["203.0.113.7:4711"], "203.0.113.7"),
        (["[fd00::7]:4711"], "fd00::7"),
        (["::ffff:203.0.113.7"], "203.0.113.7"),
        (["203.0.113.7, unknown"], None),
        (["", " , "], None),
        ([], None),
    ],
)
def test_client_is_the_last_address_before_proxies(values: list[str], client: str | None) -> None:
    assert PROXIES.client_of(values) == client


@pytest.mark.parametrize("text", ["gateway.example.org", "10.0.0.1/8", "10.0.0.0/33"])
def test_wrong_proxies_are_named(text: str) -> None:
    with pytest.raises(StartupError, match=r"--trusted-proxies: .*10\.0\.0\.7,192\.168\.0\.0/16"):
        TrustedProxies.from_option(text)


def test_empty_option_trusts_no_proxy() -> None:
    assert "127.0.0.1" not in TrustedProxies.from_option("")
