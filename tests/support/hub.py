"""A fake Hugging Face hub: a local folder as a repository.

`Hub` replaces the function that fetches whole files; `HubServer` serves parts of files over HTTP.
"""

import json
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

REVISION = "c0ffee"


class Hub:
    """Replaces huggingface_hub.snapshot_download."""

    def __init__(self, source: Path, cache: Path) -> None:
        self.source = source
        self.snapshot = cache / "snapshots" / REVISION
        self.requests: list[tuple[str, str | None, list[str]]] = []

    def snapshot_download(
        self,
        repository: str,
        *,
        revision: str | None,
        allow_patterns: list[str],
        tqdm_class: type[Any],
    ) -> str:
        self.requests.append((repository, revision, allow_patterns))
        self.snapshot.mkdir(parents=True, exist_ok=True)
        for pattern in allow_patterns:
            files = list(self.source.glob(pattern))
            for file in tqdm_class(files, desc="Fetching files"):
                shutil.copy(file, self.snapshot)
        return str(self.snapshot)

    def fetched(self) -> set[str]:
        return {file.name for file in self.snapshot.iterdir()}


class HubServer:
    """Lists a repository and serves ranges of its files.

    Attributes:
        endpoint: its URL.
        sent: bytes sent of each file, by name.
    """

    def __init__(self, source: Path) -> None:
        self.source = source
        self.sent: dict[str, int] = {}
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.endpoint = f"http://127.0.0.1:{self.http.server_port}"

    def answer(self, path: str, wanted: str | None) -> tuple[int, bytes]:
        """Return status and body for a path and its range header."""
        if path.startswith("/api/models/suno/tiny/revision/"):
            return 200, json.dumps({"id": "suno/tiny", "sha": REVISION}).encode()
        if path.startswith("/api/models/suno/tiny/tree/"):
            return 200, json.dumps([_entry(file) for file in self.source.glob("*.*")]).encode()
        name = path.removeprefix(f"/suno/tiny/resolve/{REVISION}/")
        if wanted is None or not (self.source / name).is_file():
            return 404, b""
        first, last = map(int, wanted.removeprefix("bytes=").split("-"))
        body = (self.source / name).read_bytes()[first : last + 1]
        self.sent[name] = self.sent.get(name, 0) + len(body)
        return 206, body

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, body = hub.answer(self.path, self.headers["range"])
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None: ...

        return Handler


def _entry(file: Path) -> dict[str, Any]:
    return {"type": "file", "path": file.name, "size": file.stat().st_size, "oid": "0" * 40}


@contextmanager
def running_hub_server(source: Path) -> Iterator[HubServer]:
    """Run the server."""
    server = HubServer(source)
    thread = threading.Thread(target=server.http.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server
    finally:
        server.http.shutdown()
        thread.join()
        server.http.server_close()
