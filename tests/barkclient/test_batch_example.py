"""A cheap example against a scripted server; `make test-clients` runs all with real speech."""

import asyncio
import os
import sys
from pathlib import Path

from tests.barkclient.command_line import SOURCES
from tests.barkclient.scripted_server import SAMPLE_COUNT, ScriptedSpeech

EXAMPLE = Path(__file__).parents[2] / "examples/batch.py"


async def test_batch_speaks_each_line(speech: ScriptedSpeech, tmp_path: Path) -> None:
    (tmp_path / "lines.txt").write_text("Hello.\n\nHow are you?\n")
    variables = {"BARKCLIENT_SERVER": speech.target, "PYTHONPATH": os.pathsep.join(SOURCES)}
    process = await asyncio.create_subprocess_exec(
        sys.executable, EXAMPLE, "lines.txt", cwd=tmp_path, env=os.environ | variables
    )
    assert await process.wait() == 0
    sizes = {file.name: file.stat().st_size for file in (tmp_path / "speech").iterdir()}
    assert sizes == {"0001.opus": SAMPLE_COUNT, "0002.opus": SAMPLE_COUNT}
    assert {request.text for request in speech.requests} == {"Hello.", "How are you?"}
