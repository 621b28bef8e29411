"""Checks of the HTTP proxies that the environment names."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from urllib.parse import urlsplit

from barkclient.http_proxy import via_proxy
from barkserve.config.doctor import DoctorOptions
from barkserve.doctor.finding import Finding, ok, problem, warning
from barkserve.doctor.replicas import addresses_of

_VARIABLES = ("grpc_proxy", "https_proxy", "http_proxy", "HTTPS_PROXY")
_TIMEOUT_S = 3.0
_DEFAULT_PORTS = {"http": 80, "https": 443}


async def check_proxies(
    options: DoctorOptions, variables: Mapping[str, str]
) -> AsyncIterator[Finding]:
    """Check that each proxy answers, and that calls between services do not take one."""
    named = {name: variables[name] for name in _VARIABLES if variables.get(name)}
    if not named:
        yield ok("proxies", "the environment names no proxy")
        return
    through = [
        address
        for addresses in addresses_of(options).values()
        for address in addresses
        if via_proxy(address, options.grpc_proxy, variables)
    ]
    from_hub = "/" in options.checkpoint and not options.checkpoint.startswith(("/", ".", "~"))
    for name, url in named.items():
        failure = await _failure(url)
        if failure is None:
            yield ok("proxies", f"the proxy of {name} answers")
            continue
        used = through or (from_hub and name.lower() == "https_proxy")
        report = problem if used else warning
        remedy = f"correct or unset {name}"
        if through:
            remedy += f", use --grpc-proxy off, or add {through[0].rpartition(':')[0]} to no_proxy"
        yield report("proxies", f"the proxy of {name} {failure}", remedy)


async def _failure(url: str) -> str | None:
    """Return why a proxy cannot be used; None: it accepts connections. Shows no password."""
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        host, port = parts.hostname, parts.port or _DEFAULT_PORTS.get(parts.scheme, 0)
    except ValueError:
        host, port = None, 0
    if not host or not port:
        return "is not a URL such as http://proxy.example.org:3128"
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            _, writer = await asyncio.open_connection(host, port)
    except TimeoutError:
        return f"at {host}:{port} does not answer"
    except OSError as error:
        return f"at {host}:{port} cannot be reached ({error.strerror or error})"
    writer.close()
    return None
