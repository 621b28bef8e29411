"""The programs in docs/http.md, run as they are against a gateway."""

import asyncio
import shutil
import sys
from pathlib import Path

import pytest

from tests.support.gateway import RunningGateway
from tests.support.snippets import snippets

BLOCKS = [
    (snippet.language, snippet.text)
    for snippet in snippets()
    if snippet.page == "docs/http.md" and snippet.test
]
INTERPRETERS = {
    "js": ("node", "--input-type=module", "-e"),
    "python": (sys.executable, "-c"),
    "sh": ("sh", "-ec"),
}


@pytest.mark.parametrize(
    ("language", "program"), BLOCKS, ids=["curl", "openai", "fetch", "elevenlabs", "websocket"]
)
async def test_documented_program_writes_speech(
    gateway: RunningGateway, tmp_path: Path, language: str, program: str
) -> None:
    program = program.replace("http://localhost:8080", gateway.url)
    program = program.replace("ws://localhost:8080", gateway.websocket_url)
    program = program.replace("v2/slt", "none")
    interpreter = INTERPRETERS[language]
    if not shutil.which(interpreter[0]):
        pytest.skip(f"{interpreter[0]} is missing")
    process = await asyncio.create_subprocess_exec(*interpreter, program, cwd=tmp_path)
    assert await process.wait() == 0
    check_speech(tmp_path)


def check_speech(folder: Path) -> None:
    (written,) = folder.iterdir()
    assert written.name in ("speech.wav", "speech.pcm")
    assert written.stat().st_size > 1000
    assert (written.read_bytes()[:4] == b"RIFF") == (written.suffix == ".wav")
