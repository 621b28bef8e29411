"""Server-sent events of a speech: `stream_format` "sse"."""

import base64
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from barkclient.errors import BarkClientError
from barkserve.gateway.errors import HttpFailure
from barkserve.gateway.openai.failures import failure_body

MIME_TYPE = "text/event-stream"


async def events(
    audio: AsyncGenerator[bytes, None], report: Callable[[], dict[str, object]]
) -> AsyncGenerator[bytes, None]:
    """One `speech.audio.delta` for each chunk, then `speech.audio.done` or `error`.

    Args:
        audio: the encoded audio.
        report: returns the content of the last event: counts and warnings.

    Raises:
        BarkClientError: the speech failed before its first chunk.
    """
    has_started = False
    async with aclosing(audio):
        try:
            async for chunk in audio:
                has_started = True
                data = base64.b64encode(chunk).decode()
                yield _event({"type": "speech.audio.delta", "audio": data})
        except BarkClientError as error:
            if not has_started:
                raise
            failure = HttpFailure.from_error(error)
            yield _event({"type": "error", **failure_body(failure)})
            return
    yield _event({"type": "speech.audio.done", **report()})


def _event(data: dict[str, object]) -> bytes:
    return f"data: {json.dumps(data)}\n\n".encode()
