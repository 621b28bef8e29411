"""HTTP requests with hostile parts, and what the answers must look like."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPConnection

_ELEVENLABS_PATHS = ("/v1/text-to-speech/", "/v1/voices")
_EXPECTED = (200, 307, 400, 401, 404, 405, 409, 413, 429)
_FIRST_ERROR = 400
_TIMEOUT_S = 60


@dataclass(frozen=True)
class Answer:
    """A response, or the beginning of a successful one."""

    status: int
    body: bytes


def call(
    url: str,
    method: str,
    path: str,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
) -> Answer:
    """Send a request; leave after the first part of a successful speech."""
    connection = HTTPConnection(url.removeprefix("http://"), timeout=_TIMEOUT_S)
    try:
        connection.request(method, path, body, dict(headers or {}))
        response = connection.getresponse()
        is_speech = response.status < _FIRST_ERROR and response.getheader("content-length") is None
        return Answer(response.status, response.read1() if is_speech else response.read())
    finally:
        connection.close()


def check_answer(method: str, path: str, answer: Answer) -> None:
    """The status is documented, and an error has the body of the API that the path belongs to."""
    assert answer.status in _EXPECTED, answer
    if answer.status < _FIRST_ERROR or method == "HEAD":
        return
    content = json.loads(answer.body)
    if path.startswith(_ELEVENLABS_PATHS):
        (error,) = content.values()
        assert set(error) == {"status", "message"}
    else:
        (error,) = content.values()
        assert set(error) == {"message", "type", "param", "code"}
    assert error["message"]
    assert "Traceback" not in error["message"]
