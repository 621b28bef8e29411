"""Serves an aiohttp application over TLS, for the simulated parts of a control plane."""

import ssl

from aiohttp import web


def serve(app: web.Application, port: int, certificate: str, key: str) -> None:
    """Serve until killed."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    web.run_app(
        app, host="127.0.0.1", port=port, ssl_context=context, print=lambda _: None,
        shutdown_timeout=0.1, handler_cancellation=True,
    )  # fmt: skip
