"""Counts what a request is the first to need: imports, files, threads. Run as a program.

    python -m tests.support.first_use CHECKPOINT

It runs all services in this process, as `barkserve up` does in several, and prints what the first
spoken text used for the first time, as JSON.
"""

import asyncio
import json
import os
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from barkserve.v1 import speech_pb2
from tests.support.services import Chain, running_chain

Events = list[tuple[str, str]]


@contextmanager
def recorded(kinds: set[str]) -> Iterator[Events]:
    """Record the audit events of some kinds in the block, with their first argument."""
    events, active = Events(), True

    def hook(kind: str, arguments: tuple[object, ...]) -> None:
        if active and kind in kinds:
            events.append((kind, str(arguments[0])))

    sys.addaudithook(hook)  # hooks cannot be removed
    yield events
    active = False


def threads() -> Counter[str]:
    """Count this process's threads by name, except those of gRPC's pool, which follows the load."""
    names: Counter[str] = Counter()
    for task in Path("/proc/self/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):  # it has ended
            names[(task / "comm").read_text().strip()] += 1
    del names["event_engine"]
    return names


async def speak(chain: Chain, seed: int) -> None:
    request = speech_pb2.SynthesizeRequest(text="hello world", seed=seed)
    async for _ in chain.speech.Synthesize(request):
        pass


async def main(checkpoint: str) -> None:
    async with running_chain(Path(checkpoint), voice="v2/test_speaker_1") as chain:
        before = threads()
        with recorded({"import", "open", "socket.connect"}) as events:
            await speak(chain, seed=1)
            import colorsys  # noqa: F401  # shows that imports are recorded
        new = [*(threads() - before).elements()]
        print(json.dumps({"events": events, "threads": new}), flush=True)
    os._exit(0)  # without the teardown of gRPC


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
