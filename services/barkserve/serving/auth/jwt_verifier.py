"""Verifies JSON web tokens (JWT) of an identity provider."""

from collections.abc import Mapping
from typing import Any

import jwt

from barkserve.errors import Unauthenticated
from barkserve.serving.auth.entries import checked_limits, checked_name, checked_roles
from barkserve.serving.auth.key_set import KeySet
from barkserve.serving.caller import Caller, CallerLimits

ALGORITHMS = (
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
)  # fmt: skip
"""All are asymmetric: the keys that verify a token cannot sign one."""
CLOCK_SKEW_S = 10.0
"""How far the clocks of this machine and of the provider may differ."""
ROLE_PREFIX = "barkserve:"
"""In front of a role in a claim, such as "barkserve:speak"."""
LIMITS_CLAIM = "barkserve_limits"


class JwtVerifier:
    """Finds callers by JSON web tokens.

    Args:
        keys: the provider's keys.
        issuer: the `iss` claim that tokens must have.
        audience: the `aud` claim that tokens must have.
        roles_claim: the claim with the roles: a list, or a text with spaces in between.
        default: the limits of callers whose token has none.
    """

    def __init__(
        self, keys: KeySet, issuer: str, audience: str, roles_claim: str, default: CallerLimits
    ) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        self._roles_claim = roles_claim
        self._default = default
        self.follow = keys.follow

    async def caller_of(self, token: str) -> Caller:
        """Return the caller that a token names.

        Raises:
            Unauthenticated: the token is not valid.
            KeysUnavailable: no keys could be fetched so far.
        """
        try:
            header = jwt.get_unverified_header(token)
            if header.get("alg") not in ALGORITHMS:
                raise Unauthenticated(
                    f"the token is signed with {header.get('alg')!r}, which is not allowed: use "
                    f"one of {', '.join(ALGORITHMS)}"
                )
            key = await self._keys.find(str(header.get("kid")))
            if key is None:
                raise Unauthenticated(
                    f"the token's key {header.get('kid')!r} is not in --auth-jwks: the issuer may "
                    "be another one"
                )
            claims = jwt.decode(
                token,
                key,
                algorithms=ALGORITHMS,
                issuer=self._issuer,
                audience=self._audience,
                leeway=CLOCK_SKEW_S,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
            return self._caller(claims)
        except jwt.ExpiredSignatureError:
            raise Unauthenticated("the token has expired: get a new one") from None
        except (jwt.PyJWTError, ValueError) as error:
            raise Unauthenticated(f"the token is not valid: {error}") from None

    def _caller(self, claims: Mapping[str, Any]) -> Caller:
        """Return the caller of verified claims. Raises ValueError if they are not complete."""
        values = claims.get(self._roles_claim, ())
        names = values.split() if isinstance(values, str) else values
        if not isinstance(names, list | tuple):
            raise ValueError(f"the claim {self._roles_claim!r} is neither a list nor a text")
        roles = [
            name.removeprefix(ROLE_PREFIX)
            for name in names
            if isinstance(name, str) and name.startswith(ROLE_PREFIX)
        ]
        if not roles:
            raise ValueError(
                f"its claim {self._roles_claim!r} has no role such as {ROLE_PREFIX}speak"
            )
        limits = claims.get(LIMITS_CLAIM, {})
        if not isinstance(limits, dict):
            raise ValueError(f"the claim {LIMITS_CLAIM!r} is not an object")
        return Caller(
            checked_name(claims["sub"]), checked_roles(roles), checked_limits(limits, self._default)
        )
