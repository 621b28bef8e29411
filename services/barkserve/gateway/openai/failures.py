"""Errors in the form of the OpenAI API."""

from starlette.responses import JSONResponse

from barkserve.gateway.errors import HttpFailure

_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
}
_FIELDS = {"text": "input", "audio_format.sample_rate_hertz": "sample_rate"}
"""Fields of SynthesizeRequest that have another name here."""

_FIRST_SERVER_ERROR = 500


def failure_body(failure: HttpFailure) -> dict[str, object]:
    """The JSON body of an error."""
    kind = "server_error" if failure.status >= _FIRST_SERVER_ERROR else "invalid_request_error"
    return {
        "error": {
            "message": failure.message,
            "type": _TYPES.get(failure.status, kind),
            "param": _FIELDS.get(failure.param, failure.param) or None,
            "code": failure.code,
        }
    }


def render(failure: HttpFailure) -> JSONResponse:
    """The response for a failure."""
    return JSONResponse(failure_body(failure), failure.status, dict(failure.headers))
