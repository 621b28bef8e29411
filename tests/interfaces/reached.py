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
class SpeechRequest:
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


async def python_command(request: SpeechRequest) -> Outcome:
    command = (sys.executable, "-m", "barkclient", "say", "--server", request.servers.grpc)
    return await _program(request, *command, "-o", "speech.pcm", *_options(request), request.text)


async def node_command(request: SpeechRequest) -> Outcome:
    command = request.tools.node / "node_modules/.bin/barkclient"
    words = ("say", "--server", request.servers.grpc, "-o", "speech.pcm")
    return await _program(request, command, *words, *_options(request), request.text)


async def go_command(request: SpeechRequest) -> Outcome:
    words = ("-server", request.servers.grpc, "-o", "speech.wav")
    options = (word.replace("--", "-") for word in _options(request))
    return await _program(
        request, request.tools.barksay, *words, *options, request.text, header_bytes=44
    )


async def openai_route(request: SpeechRequest) -> Outcome:
    body = {"input": request.text, "voice": request.voice, "seed": SEED, "response_format": "pcm"}
    return await _curl(request, "/v1/audio/speech", body)


async def elevenlabs_route(request: SpeechRequest) -> Outcome:
    path = f"/v1/text-to-speech/{request.voice}?output_format=pcm_24000"
    return await _curl(request, path, {"text": request.text, "seed": SEED})


async def websocket(request: SpeechRequest) -> Outcome:
    url = request.servers.http.replace("http://", "ws://")
    options = {"seed": SEED, "voice": {"name": request.voice}}
    try:
        async with connect(f"{url}/v1/stream", open_timeout=60) as socket:
            for message in ({"config": {"options": options}}, {"text": request.text}, {"end": {}}):
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


WAYS: dict[str, Callable[[SpeechRequest], Awaitable[Outcome]]] = {
    "python": python_command,
    "node": node_command,
    "go": go_command,
    "openai": openai_route,
    "elevenlabs": elevenlabs_route,
    "websocket": websocket,
}
GRPC_WAYS = ("python", "node", "go")


def _options(request: SpeechRequest) -> tuple[str, ...]:
    return ("--seed", str(SEED), "--voice", request.voice)


async def _curl(request: SpeechRequest, path: str, body: dict[str, Any]) -> Outcome:
    command = ("curl", "-sS", "--fail-with-body", "-o", "speech.pcm", request.servers.http + path)
    words = ("-H", "content-type: application/json", "-d", json.dumps(body))
    return await _program(request, *command, *words)


async def _program(request: SpeechRequest, *words: str | Path, header_bytes: int = 0) -> Outcome:
    """Run a program that writes a file speech.*, or an error there or on standard error."""
    process = await asyncio.create_subprocess_exec(
        *words,
        cwd=request.folder,
        stdin=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env=os.environ | {"HOME": str(request.folder)},
    )
    _, errors = await process.communicate()
    written = b"".join(file.read_bytes() for file in request.folder.glob("speech.*"))
    if process.returncode == 0:
        return Outcome(written[header_bytes:])
    return Outcome(message=written.decode(errors="replace") + errors.decode())
