"""One service as a process that is started again whenever it ends."""

import asyncio
import re
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

import grpc
from grpc_health.v1 import health_pb2
from prometheus_client.parser import text_string_to_metric_families

from barkserve.serving.health import health_check
from fixtures.processes import free_port

_RESTART_S = 0.2
_RSS = re.compile(r"VmRSS:\s+(\d+) kB")


@dataclass(frozen=True)
class Host:
    """A machine, or a network namespace that stands for one.

    Attributes:
        address: what its services listen on.
        prefix: the command that runs another command there.
    """

    address: str = "127.0.0.1"
    prefix: tuple[str, ...] = ()


class Replica:
    """One replica of a service.

    Args:
        service: the name of the service.
        number: of the replica, from 0.
        host: where it runs.
        flags: its options.
        folder: gets its log.

    Attributes:
        starts: number of processes so far.
        exit_codes: of the processes that have ended; -9 for one that was killed.
    """

    def __init__(
        self, service: str, number: int, host: Host, flags: Sequence[str], folder: Path
    ) -> None:
        self.service = service
        self.name = f"{service}-{number}"
        self.host = host
        self.address = f"{host.address}:{free_port()}"
        self.starts = 0
        self.exit_codes: list[int] = []
        self.log = folder / f"{self.name}.log"
        self._metrics_port = free_port()
        self._flags = tuple(flags)
        self._more_flags: tuple[str, ...] = ()
        self._process: asyncio.subprocess.Process | None = None
        self._supervision: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int:
        """The process that runs now."""
        assert self._process is not None, "the replica was never started"
        return self._process.pid

    def start(self) -> None:
        """Start the process, and start it again whenever it ends."""
        self._supervision = asyncio.create_task(self._supervise())

    async def stop(self) -> None:
        """Kill the process and do not start it again."""
        if self._supervision is not None:
            self._supervision.cancel()
            with suppress(asyncio.CancelledError):
                await self._supervision
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    def reconfigure(self, flags: Sequence[str]) -> bool:
        """Start again with more options; returns False if the process has them already."""
        if self._more_flags == tuple(flags):
            return False
        self._more_flags = tuple(flags)
        self.send(signal.SIGKILL)
        return True

    def send(self, number: int) -> None:
        """Send the process a signal."""
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(number)

    async def serving(self) -> None:
        """Wait until its health is SERVING."""
        options = [("grpc.enable_http_proxy", 0), ("grpc.use_local_subchannel_pool", 1)]
        while True:
            async with grpc.aio.insecure_channel(self.address, options=options) as channel:
                with suppress(grpc.aio.AioRpcError):
                    request = health_pb2.HealthCheckRequest()
                    response = await health_check(channel)(request, timeout=5)
                    if response.status == health_pb2.HealthCheckResponse.SERVING:
                        return
            await asyncio.sleep(0.2)

    async def metrics(self, timeout_s: float = 2.0) -> dict[str, float]:
        """Read its metrics, summed over their labels. Empty if it does not answer in time.

        A bucket of a histogram has the name `NAME_bucket:BOUND`.
        """
        url = f"http://{self.host.address}:{self._metrics_port}/metrics"
        try:
            text = await asyncio.to_thread(_fetch, url, timeout_s)
        except OSError:
            return {}
        sums: dict[str, float] = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                bound = sample.labels.get("le")
                name = sample.name if bound is None else f"{sample.name}:{bound}"
                sums[name] = sums.get(name, 0.0) + sample.value
        return sums

    async def streams(self) -> int:
        """Count the RPCs that it serves now."""
        return int((await self.metrics()).get("barkserve_streams", 0))

    def rss_bytes(self) -> int:
        """Return the resident memory of the process, 0 if it has ended."""
        try:
            found = _RSS.search(Path(f"/proc/{self.pid}/status").read_text())
        except OSError:
            return 0
        return int(found[1]) * 1024 if found else 0

    async def _supervise(self) -> None:
        port = self.address.rpartition(":")[2]
        command = (
            *self.host.prefix, sys.executable, "-m", "barkserve", self.service,
            f"--host={self.host.address}", f"--port={port}",
            f"--metrics-port={self._metrics_port}", "--exit-on-stdin-close", *self._flags,
        )  # fmt: skip
        with self.log.open("ab") as log:
            while True:
                log.write(f"--- started at {time.strftime('%X')}\n".encode())
                log.flush()
                self._process = await asyncio.create_subprocess_exec(
                    *command,
                    *self._more_flags,
                    stdin=asyncio.subprocess.PIPE,
                    stdout=log,
                    stderr=log,
                )
                self.starts += 1
                self.exit_codes.append(await self._process.wait())
                await asyncio.sleep(_RESTART_S)


def _fetch(url: str, timeout_s: float) -> str:
    with urlopen(url, timeout=timeout_s) as response:
        body: bytes = response.read()
    return body.decode()
