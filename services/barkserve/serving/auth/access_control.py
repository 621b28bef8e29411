"""Decides about every RPC whether its caller may make it."""

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from barkserve.config.authentication import AuthenticationOptions
from barkserve.config.process import ServiceOptions
from barkserve.errors import BarkserveError, Overloaded, PermissionDenied, Unauthenticated
from barkserve.serving.audit import Refusal, RefusalLog
from barkserve.serving.auth.authenticator import Authenticator, has_token, open_authenticator
from barkserve.serving.auth.certificate_roles import CertificateRoles, open_certificate_roles
from barkserve.serving.auth.method_roles import check_method
from barkserve.serving.auth.rates import CallerRates
from barkserve.serving.caller import (
    Caller,
    CallerLimits,
    Role,
    certificate_name,
    peer_address,
    unauthenticated_caller,
)
from barkserve.serving.rpc_context import RpcContext
from barkserve.serving.trusted_proxies import HEADER, TrustedProxies

_NO_LIMITS = CallerLimits()


class AccessControl:
    """Identifies callers, checks their roles and limits their requests per second.

    Args:
        authenticator: finds callers by tokens; None: no caller needs one.
        certificates: the roles of certificates; None: a certificate has no role. A token counts
            more than a certificate.
        limits: the limits of callers without a token.
        proxies: those that may name the callers for which they make RPCs.
    """

    def __init__(
        self,
        authenticator: Authenticator | None = None,
        certificates: CertificateRoles | None = None,
        limits: CallerLimits = _NO_LIMITS,
        proxies: TrustedProxies | None = None,
    ) -> None:
        self._authenticator = authenticator
        self._certificates = certificates
        self._limits = limits
        self._proxies = proxies or TrustedProxies()
        self._requests = CallerRates()
        self._refusals = RefusalLog()

    async def admit(self, method: str, context: RpcContext) -> Caller:
        """Return the caller of an RPC.

        Args:
            method: "/package.Service/Method".
            context: the context of the RPC.

        Raises:
            Unauthenticated: it has no valid token.
            PermissionDenied: it has none of the roles of the method.
            Overloaded: it makes more requests per second than it may.
            KeysUnavailable: the keys of the identity provider could not be fetched so far.
        """
        caller = await self.identify(method, context)
        self._count_request(caller)
        return caller

    async def identify(self, method: str, context: RpcContext) -> Caller:
        """Return the caller of an RPC without counting a request. Raises the errors of `admit`."""
        try:
            return await self._authenticate(method, context)
        except (Unauthenticated, PermissionDenied) as error:
            self.note_refusal(error, method, context)
            raise

    def note_refusal(self, error: BarkserveError, method: str, context: RpcContext) -> None:
        """Note in the audit log that the caller of an RPC was refused, and why."""
        peer = self._forwarded_address(context) or peer_address(context)
        self._refusals.note(Refusal(error.status, str(error), method, peer))

    @asynccontextmanager
    async def following(self) -> AsyncIterator[None]:
        """Follow changes of files and keys inside the block."""
        if self._authenticator is None:
            yield
            return
        async with self._authenticator.following():
            yield

    async def _authenticate(self, method: str, context: RpcContext) -> Caller:
        if self._authenticator is None and self._certificates is None:
            return self._for_its_caller(unauthenticated_caller(context, self._limits), context)
        caller = await self._identify(context)
        check_method(caller, method)
        return caller

    async def _identify(self, context: RpcContext) -> Caller:
        by_token = self._authenticator is not None and has_token(context)
        if self._certificates is not None and not by_token:
            caller = self._certificates.caller_of(context)
            if caller.roles - {Role.FORWARD} or self._authenticator is None:
                return self._for_its_caller(caller, context)
        assert self._authenticator is not None
        return await self._authenticator.caller_of(context)

    def _for_its_caller(self, proxy: Caller, context: RpcContext) -> Caller:
        """The caller for which a proxy makes the RPC. It has the roles of the proxy."""
        address = self._forwarded_address(context)
        if address is None:
            return proxy
        return replace(proxy, name=address, roles=proxy.roles - {Role.FORWARD})

    def _forwarded_address(self, context: RpcContext) -> str | None:
        """The address for which a proxy makes the RPC; None if no trusted proxy makes it."""
        metadata = context.invocation_metadata() or ()
        values = [str(value) for key, value in metadata if key == HEADER]
        return self._proxies.client_of(values) if values and self._may_forward(context) else None

    def _may_forward(self, context: RpcContext) -> bool:
        if peer_address(context) in self._proxies:
            return True
        if self._certificates is None:
            return bool(certificate_name(context))  # every certificate has every role
        return Role.FORWARD in self._certificates.caller_of(context).roles

    def _count_request(self, caller: Caller) -> None:
        rate = caller.limits.requests_per_second
        if rate is None:
            return
        wait_s = self._requests.take(caller.name, 1, rate, max(1, math.ceil(rate)))
        if wait_s:
            raise Overloaded(
                f"{caller.name} may make {rate:g} requests per second: retry in {wait_s:.1f} s",
                wait_s,
                "caller_requests",
            )


def open_access_control(options: ServiceOptions) -> AccessControl:
    """The access control that a service's options describe.

    Raises:
        StartupError: a file is not valid, or options are missing.
    """
    if not isinstance(options, AuthenticationOptions):
        return AccessControl(certificates=open_certificate_roles(options, _NO_LIMITS))
    limits = CallerLimits(
        streams=options.caller_streams or None,
        characters_per_minute=options.caller_characters_per_minute or None,
        requests_per_second=options.caller_requests_per_second or None,
    )
    certificates = open_certificate_roles(options, limits)
    proxies = TrustedProxies.from_option(options.trusted_proxies)
    return AccessControl(open_authenticator(options, limits), certificates, limits, proxies)
