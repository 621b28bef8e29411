"""Several orchestrator processes on one port (SO_REUSEPORT).

One process moves the messages of all streams with one core. The kernel gives each new connection to
one of the processes. Each has a port of its own too, for health checks and for the gateway, because
a connection to the common port reaches any of them.
"""

import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from barkserve.config.up import UpOptions
from barkserve.constants import STAGES
from barkserve.errors import StartupError
from barkserve.serving.ports import free_ports, listening_socket


def check_orchestrators(options: UpOptions) -> None:
    """Check that this machine can run that many orchestrators.

    Raises:
        StartupError: it cannot, or another program uses the port.
    """
    if options.orchestrators == 1:
        return
    if sys.platform != "linux":
        raise StartupError(
            "--orchestrators needs Linux, which spreads connections over processes: leave it out"
        )
    if options.orchestrators > options.max_streams:
        raise StartupError(
            f"--orchestrators {options.orchestrators} share --max-streams {options.max_streams}: "
            "raise --max-streams, or start fewer orchestrators"
        )
    if options.port:
        with listening_socket(options.host, options.port):
            pass  # no other program listens: the orchestrators themselves cannot tell


def orchestrator_options(options: UpOptions) -> list[dict[str, Any]]:
    """The options in which several orchestrators differ from a single one, for each of them.

    Each has an equal share of --max-streams. Limits of callers apply to each orchestrator.
    """
    count = options.orchestrators
    if count == 1:
        return [{}]
    first = options.metrics_port
    further = first + 2 + len(STAGES)  # after those of the stages and the gateway
    metrics_ports = [first, *range(further, further + count - 1)] if first else [0] * count
    share, rest = divmod(options.max_streams, count)
    return [
        {
            "own_port": own_port,
            "metrics_port": metrics_port,
            "max_streams": share + (index < rest),
        }
        for index, (own_port, metrics_port) in enumerate(
            zip(free_ports(count), metrics_ports, strict=True)
        )
    ]


@contextmanager
def reserved_port(options: UpOptions, port: int) -> Iterator[None]:
    """Keep the common port for the duration of the block, also while orchestrators restart.

    It is bound without listening: connections reach the orchestrators only, and another program
    that wants the port gets an error.

    Args:
        options: the options of `barkserve up`.
        port: the port of the orchestrators.
    """
    if options.orchestrators == 1:
        yield
        return
    family, *_, address = socket.getaddrinfo(
        options.host.strip("[]"), port, type=socket.SOCK_STREAM
    )[0]
    with socket.socket(family) as reserved:
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        reserved.bind(address)
        yield
