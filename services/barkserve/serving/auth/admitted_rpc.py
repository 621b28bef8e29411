"""The RPC that the running code serves: checks of its caller after it was admitted."""

from contextvars import ContextVar
from dataclasses import dataclass

from barkserve.errors import PermissionDenied
from barkserve.serving import caller
from barkserve.serving.auth.access_control import AccessControl
from barkserve.serving.auth.method_roles import check_role
from barkserve.serving.caller import Role, current_caller
from barkserve.serving.rpc_context import RpcContext


@dataclass(frozen=True)
class AdmittedRpc:
    """An RPC that was admitted.

    Attributes:
        access: admitted it.
        method: "/package.Service/Method".
        context: its context.
    """

    access: AccessControl
    method: str
    context: RpcContext


_current: ContextVar[AdmittedRpc | None] = ContextVar("admitted_rpc", default=None)


async def admit(access: AccessControl, method: str, context: RpcContext) -> None:
    """Admit an RPC. Its task, and the tasks that it starts, then know the RPC and its caller.

    Raises:
        BarkserveError: see `AccessControl.admit`.
    """
    caller.current.set(await access.admit(method, context))
    _current.set(AdmittedRpc(access, method, context))


async def check_caller_again() -> None:
    """Check that the caller may still make the running RPC. Its token may have ended since.

    From here on, this task knows the present roles and limits of the caller.

    Raises:
        Unauthenticated: its token has expired or was revoked.
        PermissionDenied: it has none of the roles of the method any more.
        KeysUnavailable: the keys of the identity provider could not be fetched so far.
    """
    rpc = _current.get()
    if rpc is not None:
        caller.current.set(await rpc.access.identify(rpc.method, rpc.context))


def require_role(role: Role, action: str) -> None:
    """Check that the caller of the running RPC has a role for an action, such as "keep_voice".

    Raises:
        PermissionDenied: it has not. The audit log notes it.
    """
    try:
        check_role(current_caller(), role, action)
    except PermissionDenied as error:
        rpc = _current.get()
        if rpc is not None:
            rpc.access.note_refusal(error, rpc.method, rpc.context)
        raise
