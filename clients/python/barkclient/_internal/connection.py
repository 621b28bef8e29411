"""The arguments of a client that say how to connect, apart from the address and the timeout."""

from typing import TypedDict

from barkclient._internal.token import Token
from barkclient.http_proxy import ProxyUse
from barkclient.tls import Tls


class Connection(TypedDict, total=False):
    """See AsyncClient."""

    tls: Tls | None
    token: Token | None
    insecure: bool
    grpc_proxy: ProxyUse
