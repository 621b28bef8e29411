"""Starts services of `barkserve up` again that end or hang."""

import asyncio
import time
from collections.abc import Callable
from typing import NoReturn

from barkserve.config.up import UpOptions
from barkserve.errors import ReplicaStalled, StartupError
from barkserve.up.children import Child, start
from barkserve.up.health import wait_until_healthy, wait_until_hung
from barkserve.up.restart_budget import RestartBudget


class Supervisor:
    """Watches the services. Made for one use, inside an event loop.

    A service that ends before all of them were ready is not started again: its options, its port or
    its checkpoint are probably wrong.

    Args:
        children: the services; restarts replace their entries.
        options: the limits.
        say: shows a line to the user.
    """

    def __init__(
        self, children: list[Child], options: UpOptions, say: Callable[[str], None]
    ) -> None:
        self._children = children
        self._options = options
        self._say = say
        self._all_ready = asyncio.Event()

    def begin_restarts(self) -> None:
        """Start services again from now on: all of them were ready."""
        self._all_ready.set()

    async def watch(self) -> NoReturn:
        """Keep the services running, until one fails permanently.

        Raises:
            StartupError: a service ended too early or too often; the message names it and says why.
        """
        tasks = [
            asyncio.create_task(self._keep(index), name=f"keep {child.name}")
            for index, child in enumerate(self._children)
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            await done.pop()
            raise AssertionError("services are kept until one fails")
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _keep(self, index: int) -> NoReturn:
        budget = RestartBudget(self._options.max_restarts, self._options.restart_window_seconds)
        hung = asyncio.create_task(self._wait_hung_after_startup(self._children[index]))
        while True:
            child = self._children[index]
            reason = await self._wait_end(child, hung)
            pause_s = budget.take(time.monotonic()) if self._all_ready.is_set() else None
            if pause_s is None:
                raise StartupError(self._final_message(child, reason, budget.used))
            self._say(self._restart_message(child, reason, pause_s, budget.used))
            await asyncio.sleep(pause_s)
            service = child.service.after_trip() if _tripped(child, hung) else child.service
            self._children[index] = child = await start(service)
            hung = asyncio.create_task(self._wait_hung_after_restart(child))

    async def _wait_end(self, child: Child, hung: "asyncio.Task[str]") -> str:
        """Wait until a process ends, or kill it when it hangs. Returns what happened."""
        ended = asyncio.create_task(child.process.wait())
        try:
            await asyncio.wait([ended, hung], return_when=asyncio.FIRST_COMPLETED)
            if ended.done():
                return await child.end_reason()
            child.kill()
            await child.end_reason()
            return hung.result()
        finally:
            ended.cancel()
            hung.cancel()

    async def _wait_hung_after_startup(self, child: Child) -> str:
        """Wait until a service hangs that was ready once; returns what to say about it."""
        await self._all_ready.wait()
        return await self._wait_hung(child)

    async def _wait_hung_after_restart(self, child: Child) -> str:
        """Like the above, for a restarted service. It also hangs if it does not become ready."""
        limit_s = self._options.startup_seconds
        try:
            await asyncio.wait_for(wait_until_healthy(child.service), limit_s)
        except TimeoutError:
            return f"was not ready {limit_s:g} s after its restart (--startup-seconds)"
        self._say(f"{child.name} is ready again")
        return await self._wait_hung(child)

    async def _wait_hung(self, child: Child) -> str:
        limit_s = self._options.hang_seconds
        if not limit_s:
            await asyncio.Event().wait()
        await wait_until_hung(child.service, limit_s)
        return f"did not answer for {limit_s:g} s (--hang-seconds) and was killed"

    def _restart_message(self, child: Child, reason: str, pause_s: float, used: int) -> str:
        return (
            f"the {child.name} service {reason}; starting it again in {pause_s:g} s (restart "
            f"{used} of at most {self._options.max_restarts} in "
            f"{self._options.restart_window_seconds:g} s){_last_lines(child)}"
        )

    def _final_message(self, child: Child, reason: str, restarts: int) -> str:
        message = f"the {child.name} service {reason}; the others were stopped"
        if restarts:
            message += (
                f", because it was already started again {restarts} times in "
                f"{self._options.restart_window_seconds:g} s. Fix the cause, or raise "
                "--max-restarts"
            )
        return message + _last_lines(child)


def _tripped(child: Child, hung: "asyncio.Task[str]") -> bool:
    """Whether a watchdog ended a process: its own, or this one."""
    was_killed = hung.done() and not hung.cancelled()
    return was_killed or child.process.returncode == ReplicaStalled.exit_code


def _last_lines(child: Child) -> str:
    excerpt = child.log_excerpt()
    return f". Its last log lines:{excerpt}" if excerpt else ""
