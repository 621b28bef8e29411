"""Runs the `barkclient` command on a pseudo terminal."""

import asyncio
import fcntl
import os
import signal
import struct
import sys
import termios

from tests.barkclient.command_line import SOURCES


class Terminal:
    """A terminal of this size with one command.

    Args:
        columns: its width.
        lines: its height.
    """

    def __init__(self, columns: int, lines: int) -> None:
        self._ours, self._theirs = os.openpty()
        size = struct.pack("HHHH", lines, columns, 0, 0)
        fcntl.ioctl(self._theirs, termios.TIOCSWINSZ, size)

    async def start(self, server: str, *arguments: str) -> None:
        """Start the command. The environment names the server."""
        variables = {"PYTHONPATH": os.pathsep.join(SOURCES), "BARKCLIENT_SERVER": server}
        kept = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "LINES")}
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "barkclient", *arguments,
            env=kept | variables, stdin=self._theirs, stdout=self._theirs, stderr=self._theirs,
        )  # fmt: skip
        os.close(self._theirs)

    async def read_until(self, text: str) -> str:
        """Return what is written up to a text; the timeout of the test limits the wait."""
        seen = ""
        while text not in seen:
            seen += await self._read()
        return seen

    async def interrupt(self) -> tuple[int, str]:
        """Interrupt the command, as Ctrl-C does. Returns its exit code and the rest it wrote."""
        self._process.send_signal(signal.SIGINT)
        rest = ""
        while part := await self._read():
            rest += part
        os.close(self._ours)
        return await self._process.wait(), rest

    async def _read(self) -> str:
        """Read a part; empty at the end, which Linux reports as an error."""
        try:
            return (await asyncio.to_thread(os.read, self._ours, 65536)).decode()
        except OSError:
            return ""
