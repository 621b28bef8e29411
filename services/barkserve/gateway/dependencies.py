"""What routes get from the application, as FastAPI dependencies.

They are asynchronous because FastAPI calls others in threads, where gRPC's channels do not work.
"""

from typing import Annotated, cast

from fastapi import Depends
from starlette.requests import HTTPConnection

from barkclient import AsyncClient
from barkserve.gateway.backend import Backend
from barkserve.request_id import current_request_id


async def backend_of(connection: HTTPConnection) -> Backend:
    """The orchestrator behind this gateway."""
    return cast(Backend, connection.app.state.backend)


async def client_of(connection: HTTPConnection) -> AsyncClient:
    """The client for the caller of this request.

    Raises:
        BarkClientError: the token is missing or cannot be sent, or nothing would check it.
    """
    backend = await backend_of(connection)
    address = connection.client.host if connection.client else ""
    client = backend.client(connection.headers, address)
    await backend.check_tokens_are_checked()
    return client


async def request_id() -> str:
    """The id of this request."""
    return current_request_id()


BackendDependency = Annotated[Backend, Depends(backend_of)]
ClientDependency = Annotated[AsyncClient, Depends(client_of)]
RequestId = Annotated[str, Depends(request_id)]
