"""Finds the caller of an RPC from the token in its metadata."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from barkserve.config.authentication import AuthenticationOptions
from barkserve.errors import StartupError, Unauthenticated
from barkserve.serving.auth.jwt_verifier import JwtVerifier
from barkserve.serving.auth.key_set import open_key_set
from barkserve.serving.auth.token_file import TokenFile
from barkserve.serving.caller import Caller, CallerLimits
from barkserve.serving.rpc_context import RpcContext

_KEY = "authorization"
_SCHEME = "bearer"


class Authenticator:
    """Knows the tokens of a file, those of an identity provider, or both.

    Args:
        tokens: the file of --auth-tokens.
        jwts: verifies JSON web tokens.
    """

    def __init__(self, tokens: TokenFile | None, jwts: JwtVerifier | None) -> None:
        self._tokens = tokens
        self._jwts = jwts

    async def caller_of(self, context: RpcContext) -> Caller:
        """Return the caller of an RPC.

        Raises:
            Unauthenticated: it has no valid token.
            KeysUnavailable: the keys of the identity provider could not be fetched so far.
        """
        token = _token(context)
        if self._jwts is not None and (token.count(".") == 2 or self._tokens is None):
            return await self._jwts.caller_of(token)
        if self._tokens is None:
            raise AssertionError("an Authenticator has tokens, JSON web tokens or both")
        return self._tokens.caller_of(token)

    @asynccontextmanager
    async def following(self) -> AsyncIterator[None]:
        """Follow changes of files and keys inside the block."""
        sources = [source for source in (self._tokens, self._jwts) if source is not None]
        tasks = [asyncio.create_task(source.follow()) for source in sources]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def open_authenticator(
    options: AuthenticationOptions, default: CallerLimits
) -> Authenticator | None:
    """Open the files that the options name; None without authentication.

    Args:
        options: the options of the service.
        default: the limits of callers that have none of their own.

    Raises:
        StartupError: a file is not valid, or options are missing.
    """
    tokens = TokenFile(options.auth_tokens, default) if options.auth_tokens else None
    jwts = None
    if options.auth_jwks:
        if not (options.auth_issuer and options.auth_audience):
            raise StartupError("--auth-jwks needs --auth-issuer and --auth-audience")
        jwts = JwtVerifier(
            open_key_set(options.auth_jwks, options.auth_jwks_ca),
            options.auth_issuer,
            options.auth_audience,
            options.auth_roles_claim,
            default,
        )
    elif options.auth_issuer or options.auth_audience:
        raise StartupError("--auth-issuer and --auth-audience need --auth-jwks")
    elif options.auth_jwks_ca:
        raise StartupError("--auth-jwks-ca needs --auth-jwks")
    return Authenticator(tokens, jwts) if tokens or jwts else None


def has_token(context: RpcContext) -> bool:
    """Whether an RPC carries a token, valid or not."""
    return any(key == _KEY for key, _ in context.invocation_metadata() or ())


def _token(context: RpcContext) -> str:
    """The token of an RPC. Raises Unauthenticated if there is none."""
    values = [value for key, value in context.invocation_metadata() or () if key == _KEY]
    if not values:
        raise Unauthenticated(
            "no token: send the metadata `authorization: Bearer TOKEN` (barkclient: --token, or "
            "the variable BARKCLIENT_TOKEN)"
        )
    scheme, _, token = str(values[0]).strip().partition(" ")
    if len(values) > 1 or scheme.lower() != _SCHEME or not token:
        raise Unauthenticated("the metadata `authorization` must be `Bearer TOKEN`, sent once")
    return token.strip()
