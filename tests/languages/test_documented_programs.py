"""The Go and Java programs in docs/languages.md, run as they are against a server."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.languages.go import GO, ROOT, go, run
from tests.languages.java import JAVA, compile_java
from tests.support.services import Chain, running_chain

PAGE = (ROOT / "docs/languages.md").read_text()
BLOCK = re.compile(r"^```(go|java)\n(.*?)^```", re.DOTALL | re.MULTILINE)
ADDRESS = "localhost:50051"
pytestmark = pytest.mark.timeout(600)


def programs(language: str) -> list[str]:
    return [program for found, program in BLOCK.findall(PAGE) if found == language]


@pytest.fixture
async def chain(tiny_folder: Path) -> AsyncIterator[Chain]:
    async with running_chain(tiny_folder) as started:
        yield started


def check_speech(folder: Path) -> None:
    """The folder contains a WAV file with speech."""
    written = (folder / "speech.wav").read_bytes()
    assert written[:4] == b"RIFF"
    assert len(written) > 1000


@pytest.mark.skipif(not GO, reason="Go is missing: make test-clients installs it")
@pytest.mark.parametrize("program", programs("go"), ids=["text", "streamed text"])
async def test_documented_go_program_speaks(chain: Chain, tmp_path: Path, program: str) -> None:
    (tmp_path / "main.go").write_text(program.replace(ADDRESS, chain.address))
    await go("build", "-o", str(tmp_path / "main"), str(tmp_path / "main.go"))
    await run(tmp_path / "main", cwd=tmp_path)
    check_speech(tmp_path)


@pytest.mark.skipif(not JAVA, reason="make test-clients installs gRPC for Java; it needs a JDK")
async def test_documented_java_program_speaks(chain: Chain, tmp_path: Path) -> None:
    (program,) = programs("java")
    path = await compile_java(program.replace(ADDRESS, chain.address), tmp_path)
    await run("java", "-cp", path, "Say", cwd=tmp_path)
    check_speech(tmp_path)
