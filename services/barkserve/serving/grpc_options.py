"""The gRPC options of our servers and of the channels between our services."""

from barkclient.http_proxy import ProxyUse, is_loopback

GrpcOptions = tuple[tuple[str, int | str], ...]

_REUSE_PORT = "grpc.so_reuseport"

SERVER_OPTIONS: GrpcOptions = (
    (_REUSE_PORT, 0),  # a port in use is an error, not a second listener
    ("grpc.http2.bdp_probe", 0),
    # Clients may ping a quiet stream every second. gRPC's default is five minutes, and it closes
    # the connection of a client that pings more often.
    ("grpc.http2.min_ping_interval_without_data_ms", 500),
    ("grpc.keepalive_permit_without_calls", 1),
)

CHANNEL_OPTIONS: GrpcOptions = (
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    # Without this one, the timeout above has no effect: an unanswered ping may take a minute.
    ("grpc.http2.ping_timeout_ms", 5_000),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    # Do not inherit the backoff of an earlier replica with the same address.
    ("grpc.use_local_subchannel_pool", 1),
    # Flow-control windows stay at 64 KiB: a slow reader stops the sender within about a second.
    ("grpc.http2.bdp_probe", 0),
)

NO_PROXY = ("grpc.enable_http_proxy", 0)


def server_options(
    max_connection_age_s: float, keepalive_s: float, *, shared_port: bool = False
) -> GrpcOptions:
    """The options of a server.

    Args:
        max_connection_age_s: connection age, give or take 10%, after which the server asks a
            client to reconnect; 0 means never.
        keepalive_s: time without data from a client after which it is pinged. Its connection is
            closed if no answer comes within the same time. 0 means never.
        shared_port: whether other processes listen on the same port.
    """
    options = SERVER_OPTIONS
    if shared_port:
        options = (*(each for each in options if each[0] != _REUSE_PORT), (_REUSE_PORT, 1))
    if max_connection_age_s:
        options += (("grpc.max_connection_age_ms", round(max_connection_age_s * 1000)),)
    if keepalive_s:
        keepalive_ms = round(keepalive_s * 1000)
        options += (
            ("grpc.keepalive_time_ms", keepalive_ms),
            ("grpc.keepalive_timeout_ms", keepalive_ms),
            # gRPC waits for the answer of a ping this long. The keepalive timeout does not end it.
            ("grpc.http2.ping_timeout_ms", keepalive_ms),
            ("grpc.http2.max_pings_without_data", 0),  # gRPC's default stops after two pings
        )
    return options


def channel_options(address: str, grpc_proxy: ProxyUse) -> GrpcOptions:
    """The options of a channel to host:port.

    Args:
        address: host:port.
        grpc_proxy: whether calls go through the HTTP proxy that the environment names. Those to
            this machine never do.
    """
    direct = grpc_proxy == "off" or is_loopback(address)
    return (*CHANNEL_OPTIONS, NO_PROXY) if direct else CHANNEL_OPTIONS
