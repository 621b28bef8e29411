"""Runs the snippets of README.md and docs/ as they are. tests/support/snippets.py lists all."""

import itertools
import re
import sys
from pathlib import Path

import pytest

from barkserve.checkpoint.folder import bundled_checkpoint
from tests.examples.workplace import Workplace, make_workplace
from tests.support.gateway import running_gateway
from tests.support.snippets import HERE, Snippet, snippets

RUN_HERE = [snippet for snippet in snippets() if snippet.test == HERE]
COMMANDS = [snippet for snippet in RUN_HERE if not snippet.language]
PROGRAMS = [snippet for snippet in RUN_HERE if snippet.language]
SMALLER = {  # what these tests have, in place of what a user has
    "barkserve up -- ": "barkserve up --port 0 --metrics-port 0 --http-port 0 -- ",
    "suno/bark-small": str(bundled_checkpoint()),
    "v2/en_speaker_6": "v2/slt",
}
STAND_INS = {
    "some-chatbot": "#!/bin/sh\necho 'Hello there. How are you?'\n",
    "aplay": "#!/bin/sh\ntest $(wc -c) -gt 10000\n",
}
pytestmark = pytest.mark.timeout(600)


def adapted(text: str, server: str) -> str:
    for given, here in SMALLER.items():
        text = text.replace(given, here)
    return re.sub(r'Client\(("localhost:50051")?\)', f'Client("{server}")', text)


def prepare(folder: Path) -> None:
    (folder / "book.txt").write_text("Chapter one. The fox ran away.\n")
    for name, script in STAND_INS.items():
        (folder / name).write_text(script)
        (folder / name).chmod(0o755)


@pytest.fixture
def place(tmp_path: Path, server: str, language_model: dict[str, str]) -> Workplace:
    prepare(tmp_path)
    workplace = make_workplace(tmp_path, server, **language_model)
    path = workplace.environment["PATH"]
    return Workplace(tmp_path, workplace.environment | {"PATH": f"{tmp_path}:{path}"})


@pytest.mark.parametrize(
    "page", [page for page, _ in itertools.groupby(COMMANDS, lambda snippet: snippet.page)]
)
def test_commands_of_page_succeed(place: Workplace, page: str, server: str) -> None:
    """In the order of the page: a command may use what the ones before it wrote."""
    handle = ""
    for snippet in COMMANDS:
        if snippet.page == page:
            command = adapted(snippet.text, server).replace("handle:...", handle)
            printed = place.run("bash", "-o", "pipefail", "-ec", command)
            handle = (re.findall(r"handle:[^\s;]+", printed) or [handle])[-1]


@pytest.mark.parametrize(
    "snippet", PROGRAMS, ids=lambda snippet: f"{snippet.page}-{snippet.text[:40]!r}"
)
async def test_program_succeeds(place: Workplace, snippet: Snippet, server: str) -> None:
    text = adapted(snippet.text, server)
    before = {*place.folder.iterdir()}
    if snippet.language == "python":
        printed = place.run(sys.executable, "-c", text)
    else:
        async with running_gateway(server) as gateway:
            text = text.replace("http://localhost:8080", gateway.url)
            printed = await place.run_async("bash", "-ec", text)
    written = {*place.folder.iterdir()} - before
    assert printed or written
    for file in written:
        assert file.stat().st_size > 1000, file
