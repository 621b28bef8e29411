"""A kind of fault and the promise about it."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from tools.chaos.scene import Scene


@dataclass(frozen=True)
class Fault:
    """One row of the table.

    Attributes:
        key: its name on the command line.
        title: its name in the table.
        promise: what users may rely on.
        strike: causes the fault when it is entered, and ends it when it is left.
        orchestrator_flags: options of the orchestrators. The usual ones accept any number of
            streams, because a slow machine would refuse most.
        needs_isolation: whether it needs namespaces for network and mounts.
    """

    key: str
    title: str
    promise: str
    strike: Callable[[Scene], AbstractAsyncContextManager[None]]
    orchestrator_flags: tuple[str, ...] = ("--admission=count",)
    needs_isolation: bool = False
