"""The Node.js client loses no byte when its orchestrator is killed or hangs in mid-speech."""

import asyncio
import hashlib
import json
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from barkclient import AsyncClient
from barkclient.options import Encoding
from fixtures.checkpoints import TINY, CheckpointSpec, never_ending
from tests.support.orchestrators import Orchestrators, running_orchestrators

SPEC = replace(never_ending(TINY), max_new_tokens=60, block_size=1024)
FIRST, SECOND = "hello the world. ", "The fox, it laughs. So do I."
LONG = (FIRST + SECOND + " ") * 3  # more than gRPC's buffers hold
WORDS = ["hello", "the", "world", "The", "fox", "it", "laughs", "So", "do", "I"]
LIMIT_S = 120  # of a hung orchestrator; it is left after three seconds


async def speak_and_lose(
    client: Path, orchestrators: Orchestrators, how: signal.Signals, encoding: Encoding
) -> dict[str, object]:
    """Run the Node program, send a signal to the first orchestrator in mid-speech."""
    process = await asyncio.create_subprocess_exec(
        "node",
        "test/programs/resume.mjs",
        cwd=client,
        env={
            **os.environ,
            "ADDRESSES": f"{orchestrators.first.address},{orchestrators.second.address}",
            "TEXT": f"{FIRST}|{SECOND}",
            "LONG": LONG,
            "ENCODING": encoding,
        },
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        assert await process.stdout.readline() == b"begun\n"
        orchestrators.first.process.send_signal(how)
        process.stdin.write(b"\n")
        async with asyncio.timeout(LIMIT_S):
            output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode == 0
    result: dict[str, object] = json.loads(output)
    return result


@pytest.mark.parametrize(
    ("how", "encoding"),
    [(signal.SIGKILL, "pcm16"), (signal.SIGKILL, "flac"), (signal.SIGSTOP, "pcm16")],
    ids=["killed", "killed-flac", "hung"],
)
async def test_speech_survives_a_lost_orchestrator(
    client: Path,
    checkpoint_of: Callable[[CheckpointSpec], Path],
    how: signal.Signals,
    encoding: Encoding,
) -> None:
    async with running_orchestrators(checkpoint_of(SPEC)) as orchestrators:
        async with AsyncClient(orchestrators.second.address) as python:
            expected = [
                hashlib.sha256(
                    (await python.synthesize(text, seed=1, encoding=encoding).read()).audio
                ).hexdigest()
                for text in (LONG, FIRST + SECOND, FIRST + SECOND)
            ]
        result = await speak_and_lose(client, orchestrators, how, encoding)
    assert result == {"digests": expected, "words": WORDS, "flushed": True}
