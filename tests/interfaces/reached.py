"""The ways to reach the server: how a user of each asks for a speech, and what comes back."""

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage

SEED = 7


@dataclass(frozen=True)
class Servers:
    """Where the server is.

    Attributes:
        grpc: HOST:PORT of the orchestrator.
        http: URL of the gateway.
    """

    grpc: str
    http: str


@dataclass(frozen=True)
class Outcome:
    """16-bit samples, or what the user reads instead."""

    pcm: bytes = b""
    message: str = ""


@dataclass(frozen=True)
class Tools:
    """Programs that `make test-clients` builds.

    Attributes:
        node: the folder with the installed Node.js client.
        barksay: the Go command.
    """

    node: Path
    barksay: Path


@dataclass(frozen=True)
class Wish:
    """What to say, where.

    Attributes:
        servers: where the server is.
        folder: an empty folder.
        tools: the built programs.
        text: what to speak.
        voice: the name of a voice.
    """

    servers: Servers
    folder: Path
    tools: Tools
    text: str = "Hello there. How are you?"
    voice: str = "none"


async def python_command(wish: Wish) -> Outcome:
    command = (sys.executable, "-m", "barkclient", "say", "--server", wish.servers.grpc)
    return await _program(wish, *command, "-o", "speech.pcm", *_options(wish), wish.text)


async def node_command(wish: Wish) -> Outcome:
    command = wish.tools.node / "node_modules/.bin/barkclient"
    words = ("say", "--server", wish.servers.grpc, "-o", "speech.pcm")
    return await _program(wish, command, *words, *_options(wish), wish.text)


async def go_command(wish: Wish) -> Outcome:
    words = ("-server", wish.servers.grpc, "-o", "speech.wav")
    options = (word.replace("--", "-") for word in _options(wish))
    return await _program(wish, wish.tools.barksay, *words, *options, wish.text, header_bytes=44)


async def openai_route(wish: Wish) -> Outcome:
    body = {"input": wish.text, "voice": wish.voice, "seed": SEED, "response_format": "pcm"}
    return await _curl(wish, "/v1/audio/speech", body)


async def elevenlabs_route(wish: Wish) -> Outcome:
    path = f"/v1/text-to-speech/{wish.voice}?output_format=pcm_24000"
    return await _curl(wish, path, {"text": wish.text, "seed": SEED})


async def websocket(wish: Wish) -> Outcome:
    url = wish.servers.http.replace("http://", "ws://")
    options = {"seed": SEED, "voice": {"name": wish.voice}}
    try:
        async with connect(f"{url}/v1/stream", open_timeout=60) as socket:
            for message in ({"config": {"options": options}}, {"text": wish.text}, {"end": {}}):
                await socket.send(json.dumps({"context_id": "a", **message}))
            pcm = b""
            while True:
                received = await socket.recv()
                if isinstance(received, bytes):
                    pcm += received
                elif '"error"' in received:
                    return Outcome(message=received)
                elif '"finished"' in received:
                    return Outcome(pcm)
    except (ConnectionClosed, InvalidHandshake, InvalidMessage) as error:
        return Outcome(message=str(error))


WAYS: dict[str, Callable[[Wish], Awaitable[Outcome]]] = {
    "python": python_command,
    "node": node_command,
    "go": go_command,
    "openai": openai_route,
    "elevenlabs": elevenlabs_route,
    "websocket": websocket,
}
GRPC_WAYS = ("python", "node", "go")


def _options(wish: Wish) -> tuple[str, ...]:
    return ("--seed", str(SEED), "--voice", wish.voice)


async def _curl(wish: Wish, path: str, body: dict[str, Any]) -> Outcome:
    command = ("curl", "-sS", "--fail-with-body", "-o", "speech.pcm", wish.servers.http + path)
    words = ("-H", "content-type: application/json", "-d", json.dumps(body))
    return await _program(wish, *command, *words)


async def _program(wish: Wish, *words: str | Path, header_bytes: int = 0) -> Outcome:
    """Run a program that writes a file speech.*, or an error there or on standard error."""
    process = await asyncio.create_subprocess_exec(
        *words,
        cwd=wish.folder,
        stdin=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env=os.environ | {"HOME": str(wish.folder)},
    )
    _, errors = await process.communicate()
    written = b"".join(file.read_bytes() for file in wish.folder.glob("speech.*"))
    if process.returncode == 0:
        return Outcome(written[header_bytes:])
    return Outcome(message=written.decode(errors="replace") + errors.decode())
