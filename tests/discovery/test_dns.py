"""Discovery by DNS, for a name whose addresses change."""

import asyncio
import socket
from contextlib import aclosing
from typing import Any

import pytest

from barkserve.discovery.dns import DnsResolver
from barkserve.discovery.endpoint import Endpoint


def addresses(*hosts: str) -> list[Any]:
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, 1)) for host in hosts]


async def test_dns_yields_changes_and_ignores_outages(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter(
        [
            addresses("10.0.0.2", "10.0.0.1"),
            addresses("10.0.0.1", "10.0.0.2", "10.0.0.1"),
            socket.gaierror(socket.EAI_AGAIN, "the name server does not answer"),
            addresses("10.0.0.3"),
            socket.gaierror(socket.EAI_NONAME, "no address: scaled to zero"),
        ]
    )

    async def getaddrinfo(host: str, port: int, **_: Any) -> list[Any]:
        assert (host, port) == ("bark-coarse", 1)
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
    async with aclosing(DnsResolver("bark-coarse", 1, interval_s=0).watch()) as watch:
        found = [await anext(watch) for _ in range(3)]
    assert found == [
        (Endpoint("10.0.0.1:1"), Endpoint("10.0.0.2:1")),
        (Endpoint("10.0.0.3:1"),),
        (),
    ]


async def test_dns_resolves_localhost() -> None:
    async with aclosing(DnsResolver("localhost", 50053).watch()) as watch:
        found = await anext(watch)
    assert Endpoint("127.0.0.1:50053") in found
