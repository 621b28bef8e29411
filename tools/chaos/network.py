"""Machines as network namespaces. A cut link drops every packet, and no side is told."""

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from tools.chaos.replica import Host

ISOLATED = "--isolated"
_UNSHARE = ("unshare", "--map-root-user", "--net", "--mount")
_TOOLS = ("unshare", "nsenter", "ip", "mount")


def why_unavailable() -> str:
    """Return why this machine has no network namespaces, an empty text if it has."""
    missing = [tool for tool in _TOOLS if shutil.which(tool) is None]
    if missing:
        return f"{', '.join(missing)} not found (Debian: apt-get install util-linux iproute2)"
    tried = subprocess.run([*_UNSHARE, "true"], capture_output=True, text=True)
    return tried.stderr.strip()


def isolate(module: str, arguments: Sequence[str]) -> None:
    """Run a module again in namespaces of its own, in place of this process."""
    command = [*_UNSHARE, sys.executable, "-m", module, ISOLATED, *arguments]
    os.execvp(command[0], command)


def mount_small_disk(folder: Path) -> None:
    """Mount a disk of 1 MiB on a folder, for this process and its children."""
    _run("mount", "-t", "tmpfs", "-o", "size=1m", "chaos", str(folder))


class Network:
    """Machines next to this one, each with a link to it.

    Args:
        machines: how many.
    """

    def __init__(self, machines: int) -> None:
        self._holders: list[subprocess.Popen[bytes]] = []
        self._count = machines

    def host(self, number: int) -> Host:
        """Return a machine, counted from 0."""
        return Host(f"10.77.{number}.2", self._prefix(number))

    def gateway(self, number: int) -> str:
        """Return this machine's address as another machine sees it."""
        return f"10.77.{number}.1"

    async def cut(self, number: int) -> None:
        """Cut the link of a machine."""
        await asyncio.to_thread(_run, *self._prefix(number), *_set("far", "down"))

    async def restore(self, number: int) -> None:
        """Restore the link of a machine."""
        await asyncio.to_thread(_run, *self._prefix(number), *_set("far", "up"))

    def __enter__(self) -> Self:
        _run(*_set("lo", "up"))
        for number in range(self._count):
            holder = subprocess.Popen(["unshare", "--net", "sh", "-c", "echo; exec cat"],
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # fmt: skip
            self._holders.append(holder)
            assert holder.stdout is not None
            holder.stdout.read(1)  # the namespace exists
            near = f"near{number}"
            _run("ip", "link", "add", "name", near, "type", "veth", "peer", "name", "far")
            _run("ip", "link", "set", "far", "netns", str(holder.pid))
            _run("ip", "address", "add", f"{self.gateway(number)}/24", "dev", near)
            _run(*_set(near, "up"))
            inside = self._prefix(number)
            _run(*inside, "ip", "address", "add", f"10.77.{number}.2/24", "dev", "far")
            _run(*inside, *_set("lo", "up"))
            _run(*inside, *_set("far", "up"))
        return self

    def __exit__(self, *error: object) -> None:
        for holder in self._holders:
            holder.kill()
            holder.wait()
            for stream in (holder.stdin, holder.stdout):
                if stream is not None:
                    stream.close()

    def _prefix(self, number: int) -> tuple[str, ...]:
        return ("nsenter", f"--target={self._holders[number].pid}", "--net", "--")


def _set(device: str, state: str) -> tuple[str, ...]:
    return ("ip", "link", "set", device, state)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)
