"""The certificate of the HTTPS port: renewed files take effect without a restart."""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from barkserve.config.gateway import GatewayOptions
from barkserve.serving.tls import RELOAD_S, TlsFiles

_log = logging.getLogger(__name__)


@asynccontextmanager
async def following_certificate(
    options: GatewayOptions,
    tls: TlsFiles | None,
    context: ssl.SSLContext | None,
    reload_s: float = RELOAD_S,
) -> AsyncIterator[None]:
    """Load the certificate after each change inside the block. Later handshakes use it.

    Args:
        options: the names of the files.
        tls: the files, which it checks; None without TLS.
        context: the context of the port; None for plain HTTP.
        reload_s: time between two checks of the files.
    """
    if tls is None or context is None:
        yield
        return
    task = asyncio.create_task(_follow(options, tls, context, reload_s))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _follow(
    options: GatewayOptions, tls: TlsFiles, context: ssl.SSLContext, reload_s: float
) -> None:
    loaded = tls.current().version
    while True:
        await asyncio.sleep(reload_s)
        latest = await asyncio.to_thread(tls.current)
        if latest.version == loaded:
            continue
        try:
            context.load_cert_chain(options.tls_cert, options.tls_key)
        except OSError as error:  # the files have just changed again; SSLError is one
            _log.warning("the new TLS certificate is tried again, because of %s", error)
        else:
            loaded = latest.version
