"""Two orchestrator processes in front of the same stages, to kill one of them."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from barkserve.constants import STAGES
from fixtures.processes import ServiceProcess, service_process
from tests.support.services import running


@dataclass(frozen=True)
class Orchestrators:
    """Two orchestrators that speak alike."""

    first: ServiceProcess
    second: ServiceProcess

    @property
    def target(self) -> str:
        """Both, as a client's target; the first is preferred."""
        return f"ipv4:{self.first.address},{self.second.address}"


@asynccontextmanager
async def running_orchestrators(folder: Path) -> AsyncIterator[Orchestrators]:
    """Run the stages of a checkpoint in this process, and two orchestrator processes."""
    async with AsyncExitStack() as stack:
        stages = [await stack.enter_async_context(running(name, folder)) for name in STAGES]
        words = [f"--{name}={stage.address}" for name, stage in zip(STAGES, stages, strict=True)]
        first, second = [
            await stack.enter_async_context(service_process("orchestrator", folder, *words))
            for _ in range(2)
        ]
        yield Orchestrators(first, second)
