"""Speak on the telephone: a WebSocket server for Twilio Media Streams (8 kHz mu-law).

    python examples/telephone.py --port 8765

Point a Twilio number at this TwiML. In place of HOST, use the address of a TLS proxy or a tunnel:

    <Response><Connect><Stream url="wss://HOST/">
      <Parameter name="text" value="Hello! Press a key, or just speak to interrupt me." />
    </Stream></Connect></Response>

A real bot recognizes the caller's speech in `media` messages and lets a language model answer.
"""

import argparse
import asyncio
import base64
import json
import os
from typing import Any

from websockets.asyncio.server import ServerConnection, serve

from barkclient import AsyncClient

LOUD = 0x40  # of 0x7F: about -24 dBFS
LOUD_FRAMES = 5  # 100 ms


class Call:
    """One telephone call.

    Args:
        socket: the WebSocket that Twilio opened.
        bark: the client of the speech server.
        voice: the voice of the bot; None: the server's default.
    """

    def __init__(self, socket: ServerConnection, bark: AsyncClient, voice: str | None) -> None:
        self._socket = socket
        self._bark = bark
        self._voice = voice
        self._stream_sid = ""
        self._speaking: asyncio.Task[None] | None = None  # None: silent, all audio was played
        self._spoken = 0
        self._loud_frames = 0

    async def run(self) -> None:
        """Answer Twilio's messages until the call ends."""
        try:
            async for text in self._socket:
                message = json.loads(text)
                match message["event"]:
                    case "start":
                        self._stream_sid = message["start"]["streamSid"]
                        parameters = message["start"]["customParameters"]
                        self._say(parameters.get("text", "Hello! How can I help you?"))
                    case "media":
                        if self._is_loud(base64.b64decode(message["media"]["payload"])):
                            await self._interrupt()
                    case "dtmf":
                        await self._interrupt()
                        self._say(f"You pressed {message['dtmf']['digit']}.")
                    case "mark":
                        print(f"played: {message['mark']['name']}", flush=True)
                    case "stop":
                        break
        finally:
            self._stop()

    def _say(self, text: str) -> None:
        self._spoken += 1
        self._speaking = asyncio.create_task(self._speak(text, f"answer-{self._spoken}"))

    async def _speak(self, text: str, name: str) -> None:
        """Send speech as fast as it is generated. Twilio plays it, then returns the mark."""
        speech = self._bark.synthesize(text, voice=self._voice, encoding="mulaw", sample_rate=8000)
        async for chunk in speech:
            payload = base64.b64encode(chunk.audio).decode()
            await self._send("media", {"payload": payload})
        await self._send("mark", {"name": name})

    async def _interrupt(self) -> None:
        """Stop speaking, and let Twilio drop what it has not played."""
        if self._speaking is not None:
            self._stop()
            await self._send("clear")

    def _stop(self) -> None:
        if self._speaking is not None:
            self._speaking.cancel()  # this also stops the server
            self._speaking = None

    async def _send(self, event: str, content: dict[str, Any] | None = None) -> None:
        message = {"event": event, "streamSid": self._stream_sid}
        await self._socket.send(json.dumps(message | ({} if content is None else {event: content})))

    def _is_loud(self, mulaw: bytes) -> bool:
        """Whether the caller has been speaking for 100 ms."""
        loud = sum(~code & 0x7F > LOUD for code in mulaw)  # mu-law is inverted; larger is louder
        self._loud_frames = self._loud_frames + 1 if loud > len(mulaw) / 4 else 0
        return self._loud_frames >= LOUD_FRAMES


async def main() -> None:
    """Serve calls until Ctrl-C."""
    parser = argparse.ArgumentParser(description="Speak on the telephone.")
    parser.add_argument("--port", type=int, default=8765)
    parser.add_argument("--voice")
    arguments = parser.parse_args()
    async with AsyncClient(os.environ.get("BARKCLIENT_SERVER", "localhost:50051")) as bark:

        async def answer(socket: ServerConnection) -> None:
            await Call(socket, bark, arguments.voice).run()

        async with serve(answer, "0.0.0.0", arguments.port) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            print(f"waiting for calls on port {port}", flush=True)
            await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
