"""The web page at `/`: the files of clients/web."""

from pathlib import Path

from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocketClose

_PACKAGED = Path(__file__).parent / "static"
_IN_REPOSITORY = Path(__file__).parents[3] / "clients" / "web"

_POLICY = "; ".join(
    (
        "default-src 'self'",
        "connect-src 'self' ws: wss:",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "form-action 'self'",
    )
)


def page_folder() -> Path:
    """The folder with the files: in the installed package, or in the repository."""
    return _PACKAGED if _PACKAGED.is_dir() else _IN_REPOSITORY


class Page(StaticFiles):
    """Serves the files, and allows the page only what it needs.

    Args:
        folder: the folder with index.html.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(directory=folder, html=True)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request. The page has no WebSockets."""
        if scope["type"] == "websocket":
            await WebSocketClose()(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Answer with one file."""
        response = await super().get_response(path, scope)
        response.headers["content-security-policy"] = _POLICY
        response.headers["x-content-type-options"] = "nosniff"
        response.headers["cache-control"] = "no-cache"
        return response
