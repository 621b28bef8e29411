"""Who makes an RPC, and what this caller may do."""

from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import unquote

from barkserve.serving.rpc_context import RpcContext


class Role(StrEnum):
    """What a caller may do."""

    SPEAK = "speak"
    MANAGE_VOICES = "manage-voices"
    OPERATE = "operate"
    CALL_STAGES = "call-stages"
    FORWARD = "forward"
    """Make calls for others, whose addresses its X-Forwarded-For names."""


ALL_ROLES = frozenset(Role)


@dataclass(frozen=True)
class CallerLimits:
    """The limits of one caller at one replica; None means no limit.

    Attributes:
        streams: texts and contexts spoken at once.
        characters_per_minute: of text to speak.
        requests_per_second: RPCs started.
    """

    streams: int | None = None
    characters_per_minute: int | None = None
    requests_per_second: float | None = None


@dataclass(frozen=True)
class Caller:
    """Who makes an RPC.

    Attributes:
        name: the name of its token, certificate or address. Limits are counted for each name.
        roles: what it may do.
        limits: how much it may use.
    """

    name: str
    roles: frozenset[Role] = ALL_ROLES
    limits: CallerLimits = CallerLimits()


_THIS_PROCESS = Caller("this process")

current: ContextVar[Caller] = ContextVar("caller")
"""Set by the interceptor for the task of each RPC, and inherited by the tasks that it starts."""


def current_caller() -> Caller:
    """The caller of the RPC that this code serves; outside an RPC, this process."""
    return current.get(_THIS_PROCESS)


def unauthenticated_caller(context: RpcContext, limits: CallerLimits) -> Caller:
    """The caller of an RPC on a server without authentication. It has all roles.

    Its name is that of its certificate, or else its IP address.

    Args:
        context: the context of the RPC.
        limits: the limits of each caller.
    """
    return Caller(certificate_name(context) or peer_address(context), ALL_ROLES, limits)


def certificate_name(context: RpcContext) -> str:
    """The first name in the client's verified certificate; empty without such a certificate."""
    identities = context.peer_identities() or ()
    return next((name.decode(errors="replace") for name in identities), "")


def certificate_names(context: RpcContext) -> tuple[str, ...]:
    """The subject alternative names in the client's verified certificate."""
    names = context.auth_context().get("x509_subject_alternative_name", ())
    return tuple(name.decode(errors="replace") for name in names)


def peer_address(context: RpcContext) -> str:
    """The client's IP address without its port, such as "10.0.0.7" or "::1"."""
    scheme, _, address = unquote(context.peer()).partition(":")
    if scheme not in ("ipv4", "ipv6"):
        return scheme  # a Unix socket
    return address.rpartition(":")[0].strip("[]")
