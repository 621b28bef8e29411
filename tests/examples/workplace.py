"""A folder in which examples and snippets run as a user would run them."""

import asyncio
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCES = (ROOT / "services", ROOT / "clients/python", Path(__file__).parent / "stand_ins")


@dataclass(frozen=True)
class Workplace:
    """A folder and the environment of the programs that run in it."""

    folder: Path
    environment: dict[str, str]

    def start(self, *command: str | Path) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env=self.environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def run(self, *command: str | Path) -> str:
        """Run a program to its end; returns what it printed."""
        process = self.start(*command)
        printed, _ = process.communicate(timeout=500)
        assert process.returncode == 0, printed
        return printed

    def example(self, name: str, *arguments: str) -> str:
        return self.run(sys.executable, ROOT / "examples" / name, *arguments)

    async def run_async(self, *command: str | Path) -> str:
        """Run a program while this process serves it."""
        return await asyncio.to_thread(self.run, *command)


def make_workplace(folder: Path, server: str, **variables: str) -> Workplace:
    environment = os.environ | {
        "BARKCLIENT_SERVER": server,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join(map(str, SOURCES)),
        **variables,
    }
    return Workplace(folder, environment)
