"""Seeds for the frameworks' classes, which have no option for one.

With the seed of a gRPC call, the audio of a class must be the samples of that call.
"""

from functools import partialmethod
from typing import Any

import aiohttp
import pytest
from openai.resources.audio.speech import AsyncSpeech

from barkclient import AsyncClient

SEED = 7
VOICE = "v2/slt"


async def expected_pcm(server: str, text: str, voice: str = VOICE) -> bytes:
    """The samples of a gRPC call with the seed."""
    async with AsyncClient(server) as client:
        return (await client.synthesize(text, seed=SEED, voice=voice).read()).audio


def seed_openai(monkeypatch: pytest.MonkeyPatch) -> None:
    """Send the seed in every request of OpenAI's client."""
    create = partialmethod(AsyncSpeech.create, extra_body={"seed": SEED})
    monkeypatch.setattr(AsyncSpeech, "create", create)


def seed_http(monkeypatch: pytest.MonkeyPatch) -> None:
    """Send the seed in the JSON body of every POST of aiohttp."""
    post = aiohttp.ClientSession.post

    def seeded(session: aiohttp.ClientSession, url: str, *, json: Any, **options: Any) -> Any:
        return post(session, url, json={**json, "seed": SEED}, **options)

    monkeypatch.setattr(aiohttp.ClientSession, "post", seeded)


SEEDED_MODEL = f"any&seed={SEED}"
"""A model name that adds the seed to the query of a WebSocket's address."""
