"""Renders failures in the form of the API that a path belongs to."""

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from barkclient.errors import BarkClientError
from barkserve.gateway.elevenlabs import failures as elevenlabs
from barkserve.gateway.errors import HttpFailure
from barkserve.gateway.openai import failures as openai

_ELEVENLABS_PATHS = ("/v1/text-to-speech/", "/v1/voices")
_CODES = {404: "not_found", 405: "method_not_allowed", 413: "request_too_large"}


def render_for(path: str, failure: HttpFailure) -> Response:
    """The response for a failure of a request to `path`."""
    if path.startswith(_ELEVENLABS_PATHS):
        return elevenlabs.render(failure)
    return openai.render(failure)


def add_handlers(app: FastAPI) -> None:
    """Turn every exception of a route into a response."""

    @app.exception_handler(HttpFailure)
    async def on_failure(request: Request, failure: HttpFailure) -> Response:
        return render_for(request.url.path, failure)

    @app.exception_handler(BarkClientError)
    async def on_client_error(request: Request, error: BarkClientError) -> Response:
        return render_for(request.url.path, HttpFailure.from_error(error))

    @app.exception_handler(RequestValidationError)
    async def on_invalid(request: Request, error: RequestValidationError) -> Response:
        return render_for(request.url.path, _invalid(error))

    @app.exception_handler(HTTPException)
    async def on_http_error(request: Request, error: HTTPException) -> Response:
        route = f"{request.method} {request.url.path}"
        message = f"{route}: {error.detail}; /openapi.json lists what there is"
        code = _CODES.get(error.status_code, "invalid_request")
        failure = HttpFailure(error.status_code, code, message, headers=error.headers or {})
        return render_for(request.url.path, failure)


def _invalid(error: RequestValidationError) -> HttpFailure:
    """Describe the first field that is wrong."""
    first = error.errors()[0]
    if first["type"] == "json_invalid":
        return HttpFailure(400, "invalid_request", f"the body is not JSON: {first['ctx']['error']}")
    path = ".".join(str(part) for part in first["loc"] if part != "body")
    message = first["msg"][:1].lower() + first["msg"][1:]
    return HttpFailure(400, "invalid_request", f"{path}: {message}" if path else message, path)
