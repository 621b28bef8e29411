"""The go command of `make test-clients`."""

import asyncio
import os
from pathlib import Path

ROOT = Path(__file__).parents[2]
GO = os.environ.get("GO", "")
MODULE = ROOT / "clients/go"


async def go(*words: str, cwd: Path = MODULE, **variables: str) -> str:
    """Run the go command; return what it printed."""
    return await run(GO, *words, cwd=cwd, **variables)


async def run(*words: str | Path, cwd: Path, **variables: str) -> str:
    """Run a program that must succeed; return what it printed."""
    process = await asyncio.create_subprocess_exec(
        *words,
        cwd=cwd,
        env={**os.environ, **variables},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output = (await process.communicate())[0].decode()
    assert process.returncode == 0, output
    return output
