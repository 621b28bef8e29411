"""Gives roles to callers by the names in their certificates."""

from collections.abc import Iterable
from fnmatch import fnmatchcase

from barkserve.config.process import ServiceOptions
from barkserve.config.stages import StageOptions
from barkserve.errors import StartupError
from barkserve.serving.caller import Caller, CallerLimits, Role, certificate_names
from barkserve.serving.rpc_context import RpcContext

_EXAMPLE = "--certificate-roles call-stages=bark-orchestrator.example.org"


class CertificateRoles:
    """The roles of certificates.

    Args:
        patterns: roles and patterns of names; a certificate has all roles of which a pattern
            matches one of its DNS names, IP addresses or URIs.
        limits: the limits of each caller.
    """

    def __init__(self, patterns: Iterable[tuple[Role, str]], limits: CallerLimits) -> None:
        self._patterns = tuple(patterns)
        self._limits = limits

    def caller_of(self, context: RpcContext) -> Caller:
        """Return the caller of an RPC. Without a known certificate it has no role."""
        names = certificate_names(context)
        roles = frozenset(
            role
            for role, pattern in self._patterns
            if any(fnmatchcase(name, pattern) for name in names)
        )
        return Caller(names[0] if names else "a client without a name", roles, self._limits)


def open_certificate_roles(
    options: ServiceOptions, limits: CallerLimits
) -> CertificateRoles | None:
    """The roles that --certificate-roles gives; None: certificates make no difference.

    Raises:
        StartupError: the option is not valid, or it is missing although it is needed.
    """
    if options.certificate_roles and not options.requires_client_certificate:
        raise StartupError(
            "--certificate-roles needs client certificates: give --tls-ca too, without "
            "--tls-clients anyone"
        )
    if options.certificate_roles:
        return CertificateRoles(_patterns(options.certificate_roles), limits)
    if isinstance(options, StageOptions) and options.requires_client_certificate:
        raise StartupError(
            "a stage with --tls-ca needs --certificate-roles, so that not every certificate of "
            f"that authority can call it: name the orchestrator's, such as {_EXAMPLE}"
        )
    return None


def _patterns(text: str) -> Iterable[tuple[Role, str]]:
    for word in text.split(","):
        role, _, pattern = word.strip().partition("=")
        if role not in list(Role) or not pattern:
            raise StartupError(
                f"--certificate-roles: {word.strip()!r} is not ROLE=NAME, with a role of "
                f"{', '.join(Role)}; such as {_EXAMPLE}"
            )
        yield Role(role), pattern
