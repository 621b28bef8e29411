"""A server that streams one answer as OpenAI's API does."""

import json
from http.server import BaseHTTPRequestHandler

ANSWER = "The sky is blue. Air scatters blue light more than red light."


class ChatCompletions(BaseHTTPRequestHandler):
    """Streams ANSWER as OpenAI does: server-sent events with pieces of a few letters."""

    def do_POST(self) -> None:
        length = int(self.headers["content-length"])
        request = json.loads(self.rfile.read(length))
        assert request["stream"]
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        for start in range(0, len(ANSWER), 7):
            delta = {"role": "assistant", "content": ANSWER[start : start + 7]}
            self._send({"choices": [{"index": 0, "delta": delta, "finish_reason": None}]}, request)
        self._send({"choices": [], "usage": None}, request)
        self.wfile.write(b"data: [DONE]\n\n")

    def _send(self, content: dict[str, object], request: dict[str, object]) -> None:
        kind = {"id": "1", "object": "chat.completion.chunk", "created": 0}
        event = json.dumps(kind | {"model": request["model"]} | content)
        self.wfile.write(f"data: {event}\n\n".encode())

    def log_message(self, *arguments: object) -> None:
        pass
