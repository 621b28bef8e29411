"""A server notices clients that disappear without closing their connection."""

import asyncio

import grpc

from barkserve.serving.grpc_options import channel_options, server_options
from barkserve.serving.ports import bind
from tests.support.tcp_proxy import running_proxy

KEEPALIVE_S = 0.5


async def test_server_ends_streams_of_a_half_open_client() -> None:
    """A client that answers pings stays connected, however quiet it is."""
    opened, ended = asyncio.Event(), asyncio.Event()

    async def hold(requests: object, context: object) -> None:
        opened.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    server = grpc.aio.server(options=server_options(0, KEEPALIVE_S))
    handlers = {"Hold": grpc.stream_stream_rpc_method_handler(hold)}  # type: ignore[arg-type]
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Test", handlers),))
    port = bind(server, "127.0.0.1", 0)
    await server.start()
    async with (
        running_proxy(f"127.0.0.1:{port}") as proxy,
        grpc.aio.insecure_channel(
            proxy.address, options=channel_options(proxy.address, "off")
        ) as channel,
    ):
        call = channel.stream_stream("/test.Test/Hold")()
        await asyncio.wait_for(opened.wait(), 10)
        await asyncio.sleep(KEEPALIVE_S * 8)
        assert not ended.is_set()
        proxy.frozen = True
        await asyncio.wait_for(ended.wait(), 10)
        call.cancel()
    await server.stop(grace=None)
