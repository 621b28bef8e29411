"""Clients on a machine whose link will be cut: they open streams and stay connected.

python -m tools.chaos.far_client TARGET STREAMS
"""

import asyncio
import sys

from barkclient import AsyncClient


async def hold(target: str, streams: int) -> None:
    """Open streams with a context each, print "connected", and wait until the process is killed."""
    async with AsyncClient(target) as client:
        calls = [client.stream() for _ in range(streams)]
        for number, call in enumerate(calls):
            context = call.speak(seed=number)
            context.send("One moment, please.")
            context.flush()
            await anext(aiter(context))
        print("connected", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(hold(sys.argv[1], int(sys.argv[2])))
