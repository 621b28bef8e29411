"""Puts the gateway's application together."""

from collections.abc import Sequence

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from barkserve.gateway import ignored_fields, request_ids
from barkserve.gateway.backend import Backend
from barkserve.gateway.body_limit import BodyLimit
from barkserve.gateway.drain import Drain
from barkserve.gateway.drain_state import DrainState
from barkserve.gateway.elevenlabs.routes import elevenlabs_routes
from barkserve.gateway.elevenlabs.streams import elevenlabs_streams
from barkserve.gateway.failures import add_handlers
from barkserve.gateway.health import health_routes
from barkserve.gateway.openai.routes import speech_routes
from barkserve.gateway.page import Page, page_folder
from barkserve.gateway.request_ids import RequestIds
from barkserve.gateway.request_log import RequestLog
from barkserve.gateway.websocket.routes import websocket_routes
from barkserve.serving.metrics import Metrics

_MAX_BODY_BYTES = 8 * 1024 * 1024
_SUMMARY = "Bark text-to-speech over HTTP and WebSocket, streamed while it is generated."


def create_app(
    backend: Backend,
    drain: DrainState,
    metrics: Metrics,
    version: str,
    cors_origins: Sequence[str],
) -> FastAPI:
    """Make the application.

    Args:
        backend: the orchestrator.
        drain: counts the requests, and says when to refuse new ones.
        metrics: those of the gateway.
        version: the version of barkserve.
        cors_origins: origins of web pages that may call, such as https://example.org; "*" for all.
    """
    app = FastAPI(
        title="barkserve",
        version=version,
        summary=_SUMMARY,
        docs_url=None,
        redoc_url=None,
        telemetry={"tracing": False, "metrics": False, "logs": False},  # RequestIds traces
    )
    app.state.backend = backend
    add_handlers(app)
    app.include_router(health_routes(drain))
    app.include_router(speech_routes())
    app.include_router(elevenlabs_routes())
    app.include_router(elevenlabs_streams())
    app.include_router(websocket_routes())
    app.mount("/", Page(page_folder()))
    # The last one added is the outermost.
    app.add_middleware(BodyLimit, max_bytes=_MAX_BODY_BYTES)
    app.add_middleware(Drain, state=drain)
    app.add_middleware(
        CORSMiddleware,
        allow_origins=cors_origins,
        allow_methods=["*"],
        allow_headers=["*"],
        expose_headers=[request_ids.HEADER, ignored_fields.HEADER],
    )
    duration = metrics.histogram("http_server_request_duration_seconds")
    app.add_middleware(RequestLog, duration=duration)
    app.add_middleware(RequestIds)
    return app
