"""The audit log: floods are counted, and no field can forge a line."""

import asyncio
import json
import logging
from typing import Any

import pytest

from barkserve.serving import audit
from barkserve.serving.audit import MAX_KINDS, Refusal, RefusalLog
from tests.support.fakes import until


def lines(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [json.loads(record.getMessage()) for record in caplog.records]


def refusal(peer: str) -> Refusal:
    return Refusal("UNAUTHENTICATED", "no token", "/a.B/C", peer)


async def test_repeated_refusals_become_one_line_with_a_number(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    log = RefusalLog(window_s=0.05)
    for _ in range(1000):
        log.note(refusal("10.0.0.7"))
    await until(lambda: len(caplog.records) == 2)
    assert [(line["peer"], line["count"]) for line in lines(caplog)] == [
        ("10.0.0.7", 1),
        ("10.0.0.7", 999),
    ]
    await asyncio.sleep(0.1)
    log.note(refusal("10.0.0.7"))
    assert lines(caplog)[-1]["count"] == 1


async def test_refusals_of_many_clients_write_few_lines(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    log = RefusalLog(window_s=0.05)
    for number in range(10_000):
        log.note(refusal(f"10.0.{number // 256}.{number % 256}"))
    await until(lambda: any(line["count"] > 1 for line in lines(caplog)))
    assert len(caplog.records) == MAX_KINDS + 2
    assert sum(line["count"] for line in lines(caplog)) == 10_000


def test_field_cannot_forge_a_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    audit.record("voice_created", voice='x"\n{"event": "voice_deleted"}', caller="é")
    (record,) = caplog.records
    assert "\n" not in record.getMessage()
    assert json.loads(record.getMessage())["voice"] == 'x"\n{"event": "voice_deleted"}'
