"""The options that say who may call, and those of `barkserve token`."""

from dataclasses import dataclass

from barkserve.config.process import ListenOptions
from barkserve.config.texts import LOOPBACK, TRUSTED_PROXIES
from barkserve.options import option


@dataclass(frozen=True)
class AuthenticationOptions(ListenOptions):
    """Options that say who may call a public service. `barkserve up` has the same ones."""

    auth_tokens: str = option(
        "",
        "TOML file with the callers and the hashes of their tokens; every RPC then needs a token, "
        "except health checks",
    )
    auth_jwks: str = option(
        "",
        "file or https URL with the keys of an identity provider (JWKS), whose JSON web tokens are "
        "then accepted; every RPC then needs a token, except health checks",
    )
    auth_jwks_ca: str = option(
        "",
        "PEM file with the authorities to trust for the https URL of --auth-jwks; empty means the "
        "system's",
    )
    auth_issuer: str = option("", "issuer (iss) that JSON web tokens must have")
    auth_audience: str = option("", "audience (aud) that JSON web tokens must have")
    auth_roles_claim: str = option(
        "scope", "claim of JSON web tokens with the roles, such as barkserve:speak"
    )
    caller_streams: int = option(
        0,
        "texts and contexts of one caller spoken at once, unless its token has another limit; 0 "
        "means no limit",
    )
    caller_characters_per_minute: int = option(
        0,
        "characters that one caller may send per minute, unless its token has another limit; 0 "
        "means no limit",
    )
    caller_requests_per_second: float = option(
        0.0,
        "RPCs that one caller may start per second, unless its token has another limit; 0 means no "
        "limit",
    )

    trusted_proxies: str = option(
        LOOPBACK, TRUSTED_PROXIES.format(" and gateways without certificates")
    )

    @property
    def authenticates_callers(self) -> bool:
        """Whether every caller must prove who it is."""
        return bool(self.auth_tokens or self.auth_jwks) or super().authenticates_callers

    @property
    def authentication_flags(self) -> tuple[str, ...]:
        """The options that make callers prove who they are."""
        return ("--auth-tokens", "--auth-jwks", *super().authentication_flags)


@dataclass(frozen=True)
class TokenOptions:
    """Options of `barkserve token`."""

    name: str = option("", "name of the caller, for limits and the audit log")
    roles: str = option(
        "speak", "what the caller may do: speak, manage-voices, operate, or several"
    )
    valid_days: float = option(0.0, "time after which the token expires, in days; 0 means never")
