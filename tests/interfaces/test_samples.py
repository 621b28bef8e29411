"""One seed gives the same samples in every way to reach the server.

tests/gateway/test_page.py compares what the browser plays, in the same way.
"""

from pathlib import Path

import pytest

from barkclient import AsyncClient
from tests.interfaces.reached import SEED, WAYS, Outcome, Servers, SpeechRequest, Tools

pytestmark = pytest.mark.timeout(600)  # one fixture builds the clients


async def test_every_way_gives_the_samples_of_grpc(
    servers: Servers, tools: Tools, tmp_path: Path
) -> None:
    requests = {way: SpeechRequest(servers, tmp_path / way, tools) for way in WAYS}
    async with AsyncClient(servers.grpc) as client:
        text, voice = requests["python"].text, requests["python"].voice
        expected = (await client.synthesize(text, seed=SEED, voice=voice).read()).audio
    assert len(expected) > 1000
    for way, speak in WAYS.items():
        requests[way].folder.mkdir()
        assert await speak(requests[way]) == Outcome(expected), way
