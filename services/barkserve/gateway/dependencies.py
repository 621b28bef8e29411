"""What routes get from the application, as FastAPI dependencies."""

from typing import Annotated, cast

from fastapi import Depends
from starlette.requests import HTTPConnection

from barkclient import AsyncClient
from barkserve.gateway.backend import Backend


def backend_of(connection: HTTPConnection) -> Backend:
    """The orchestrator behind this gateway."""
    return cast(Backend, connection.app.state.backend)


def client_of(connection: HTTPConnection) -> AsyncClient:
    """The client for the caller of this request."""
    return backend_of(connection).client(connection.headers)


def request_id_of(connection: HTTPConnection) -> str:
    """The id of this request."""
    return cast(str, connection.state.request_id)


BackendDependency = Annotated[Backend, Depends(backend_of)]
ClientDependency = Annotated[AsyncClient, Depends(client_of)]
RequestId = Annotated[str, Depends(request_id_of)]
