"""Errors in the form of the ElevenLabs API."""

from starlette.responses import JSONResponse

from barkserve.gateway.errors import HttpFailure


def render(failure: HttpFailure) -> JSONResponse:
    """The response for a failure."""
    detail = {"status": failure.code, "message": failure.message}
    return JSONResponse({"detail": detail}, failure.status, dict(failure.headers))
