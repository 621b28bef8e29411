"""Builds the gateway. Needs no torch."""

from barkclient import Tls, __version__
from barkserve.config import GatewayOptions
from barkserve.gateway.app import create_app
from barkserve.gateway.backend import Backend
from barkserve.gateway.drain_state import DrainState
from barkserve.gateway.gateway import Gateway
from barkserve.gateway.openai.voices import VoiceAliases


def build(options: GatewayOptions) -> Gateway:
    """Build the gateway; it connects to the orchestrator at the first request."""
    aliases = VoiceAliases.from_option(options.openai_voices)
    backend = Backend(options.orchestrator, _tls(options), options.grpc_proxy, aliases)
    drain = DrainState()
    origins = [origin.strip() for origin in options.cors_origins.split(",") if origin.strip()]
    return Gateway(create_app(backend, drain, __version__, origins), drain, backend)


def _tls(options: GatewayOptions) -> Tls | None:
    """TLS to the orchestrator if --tls-ca names an authority, with our own certificate."""
    if not options.tls_ca:
        return None
    return Tls(
        ca=options.tls_ca,
        certificate=options.tls_cert or None,
        key=options.tls_key or None,
        server_name=options.orchestrator_tls_name or None,
    )
