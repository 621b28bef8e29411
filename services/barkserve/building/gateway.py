"""Builds the gateway. Needs no torch."""

from barkclient import __version__
from barkserve.config.gateway import GatewayOptions
from barkserve.gateway.app import create_app
from barkserve.gateway.backend import Backend
from barkserve.gateway.drain_state import DrainState
from barkserve.gateway.gateway import Gateway
from barkserve.serving.metrics import Metrics
from barkserve.serving.tls import TlsFiles
from barkserve.serving.trusted_proxies import TrustedProxies


def build(options: GatewayOptions, metrics: Metrics) -> Gateway:
    """Build the gateway; it connects to the orchestrator at the first request.

    Raises:
        StartupError: an option is not valid, or a file cannot be read.
    """
    tls = TlsFiles.from_options(options)
    backend = Backend(options, tls)
    drain = DrainState()
    metrics.watch("barkserve_http_requests_running", lambda: drain.running)
    if tls is not None:
        metrics.watch_certificate(tls.expiry_timestamp)
    origins = [origin.strip() for origin in options.cors_origins.split(",") if origin.strip()]
    proxies = TrustedProxies.from_option(options.trusted_proxies)
    return Gateway(
        create_app(backend, drain, metrics, __version__, origins), drain, backend, tls, proxies
    )
