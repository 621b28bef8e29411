"""Runs the `barkclient` command for tests, in a process or in the test itself."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import barkclient
import barkserve
from barkclient.__main__ import run
from tests.barkclient.wav_reader import Wav, read_wav

SOURCES = [str(Path(package.__path__[0]).parent) for package in (barkclient, barkserve)]


@dataclass(frozen=True)
class Result:
    code: int | None
    stdout: bytes
    stderr: str


@dataclass(frozen=True)
class Command:
    """Runs `barkclient` in a folder. The environment names the server."""

    folder: Path
    server: str

    async def start(self, *arguments: str) -> asyncio.subprocess.Process:
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join(SOURCES),
            "BARKCLIENT_SERVER": self.server,
        }
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "barkclient",
            *arguments,
            cwd=self.folder,
            env=environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )

    async def __call__(self, *arguments: str, stdin: bytes = b"") -> Result:
        return await self.end(await self.start(*arguments), stdin)

    async def inside(self, *arguments: str) -> int:
        """Run the command in this process, which is faster. pytest captures its output."""
        environment = {"BARKCLIENT_SERVER": self.server}
        return await asyncio.to_thread(run, arguments, environment)

    async def end(self, process: asyncio.subprocess.Process, stdin: bytes = b"") -> Result:
        stdout, stderr = await process.communicate(stdin)
        result = Result(process.returncode, stdout, stderr.decode())
        assert "Traceback" not in result.stderr
        return result

    @asynccontextmanager
    async def running(self, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
        process = await self.start(*arguments)
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
                await process.communicate()

    def wav(self, name: str = "speech.wav") -> Wav:
        return read_wav((self.folder / name).read_bytes())

    async def wav_with(self, samples: int, name: str = "speech.wav") -> Wav:
        """Wait until the file has a number of samples. It must be valid each time it is read."""
        while True:
            content = (self.folder / name).read_bytes() if (self.folder / name).exists() else b""
            if content:  # empty between opening and the header
                wav = read_wav(content)
                if len(wav.audio) == 2 * samples:
                    return wav
            await asyncio.sleep(0.005)
