"""The one table from the client's errors to HTTP statuses.

Each API has an error body of its own; status, code and headers are the same in all of them.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from barkclient.errors import (
    BarkClientError,
    Cancelled,
    DeadlineExceeded,
    InvalidRequest,
    Overloaded,
    PermissionDenied,
    PreconditionFailed,
    ServerUnavailable,
    SessionExpired,
    Unauthenticated,
    VoiceExists,
    VoiceNotFound,
    VoiceStoreFull,
)

_STATUSES: tuple[tuple[type[BarkClientError], int, str], ...] = (
    (InvalidRequest, 400, "invalid_request"),
    (Unauthenticated, 401, "unauthenticated"),
    (PermissionDenied, 403, "permission_denied"),
    (VoiceNotFound, 404, "voice_not_found"),
    (SessionExpired, 408, "session_expired"),
    (VoiceExists, 409, "voice_exists"),
    (PreconditionFailed, 409, "precondition_failed"),
    (Overloaded, 429, "overloaded"),
    (Cancelled, 499, "cancelled"),
    (ServerUnavailable, 503, "unavailable"),
    (DeadlineExceeded, 504, "deadline_exceeded"),
    (VoiceStoreFull, 507, "voice_store_full"),
)
_SERVER_ERROR = (500, "server_error")


@dataclass(eq=False)
class HttpFailure(Exception):
    """A request that failed, before it has the body of one API.

    Attributes:
        status: the HTTP status.
        code: a short name of the kind of failure, such as "voice_not_found".
        message: what happened and what to do, one line.
        param: the field of the request that is wrong; empty if it is not one field.
        headers: headers of the response, such as Retry-After.
    """

    status: int
    code: str
    message: str
    param: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_error(cls, error: BarkClientError) -> Self:
        """Translate an error of the client."""
        status, code = _status_of(error)
        return cls(status, code, str(error), _param_of(error), _headers_of(error))


def _status_of(error: BarkClientError) -> tuple[int, str]:
    for kind, status, code in _STATUSES:
        if isinstance(error, kind):
            return status, code
    return _SERVER_ERROR


def _param_of(error: BarkClientError) -> str:
    if isinstance(error, InvalidRequest) and error.violations:
        return error.violations[0].field
    return ""


def _headers_of(error: BarkClientError) -> dict[str, str]:
    if isinstance(error, Unauthenticated):
        return {"www-authenticate": "Bearer"}
    if not isinstance(error, Overloaded) or error.retry_after_s is None:
        return {}
    # Retry-After counts whole seconds. OpenAI's clients read the second header first.
    return {
        "retry-after": str(max(1, math.ceil(error.retry_after_s))),
        "retry-after-ms": str(math.ceil(error.retry_after_s * 1000)),
    }
