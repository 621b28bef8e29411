"""`/healthz` and `/readyz`, for load balancers and Kubernetes."""

from fastapi import APIRouter
from starlette.responses import JSONResponse

from barkclient.errors import BarkClientError
from barkserve.gateway.dependencies import BackendDependency
from barkserve.gateway.drain_state import DrainState

_CHECK_S = 2.0


def health_routes(drain: DrainState) -> APIRouter:
    """Make the routes.

    Args:
        drain: whether the gateway stops.
    """
    router = APIRouter(tags=["health"])

    @router.get("/healthz")
    async def alive() -> dict[str, str]:
        """Answer while the process runs."""
        return {"status": "alive"}

    @router.get("/readyz")
    async def ready(backend: BackendDependency) -> JSONResponse:
        """Answer 200 if the orchestrator serves and the gateway does not stop, else 503."""
        if drain.draining:
            return _not_ready("this gateway is shutting down")
        if not await backend.is_ready(_CHECK_S):
            return _not_ready("the orchestrator does not answer, or is not ready")
        try:
            await backend.check_tokens_are_checked()
        except BarkClientError as error:
            return _not_ready(str(error))
        return JSONResponse({"status": "ready"})

    return router


def _not_ready(reason: str) -> JSONResponse:
    return JSONResponse({"status": "not ready", "reason": reason}, 503)
