"""One container of the image under test, with a cluster's security restrictions, run by podman."""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

IMAGE = os.environ.get("IMAGE", "")

LIMITS = ("--ulimit", "nofile=1024:4096", "--ulimit", "nproc=1024:2048")
_RESTRICTED = (
    "--read-only",
    "--tmpfs",
    "/tmp",
    "--cap-drop=ALL",
    "--security-opt=no-new-privileges",
)


@dataclass(frozen=True)
class Container:
    """A running container.

    Attributes:
        name: podman's name for it.
        address: host:port at which its port 50051 is published on this machine.
        url: the address of its port 8080.
    """

    name: str
    address: str
    url: str

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command inside."""
        return podman("exec", self.name, *command, check=False)

    def stop(self, seconds: int) -> int:
        """Send SIGTERM, and SIGKILL after `seconds`; return the exit code (137: killed)."""
        podman("stop", "--time", str(seconds), self.name)
        return int(podman("wait", self.name).stdout)

    def log(self) -> str:
        """Return its output."""
        done = podman("logs", self.name)
        return done.stdout + done.stderr


@contextmanager
def started(*command: str) -> Iterator[Container]:
    """Run `barkserve COMMAND` in a container that is removed afterwards."""
    publish = ("--publish", "127.0.0.1::50051", "--publish", "127.0.0.1::8080")
    name = podman(
        "run", "--detach", *LIMITS, *_RESTRICTED, *publish, IMAGE, *command
    ).stdout.strip()
    try:
        grpc, http = (podman("port", name, port).stdout.strip() for port in ("50051", "8080"))
        yield Container(name, grpc, f"http://{http}")
    finally:
        podman("rm", "--force", "--time", "20", name)


def inside(script: str) -> str:
    """Return the output of a shell script in a new, restricted container."""
    shell = ("--entrypoint", "sh", IMAGE, "-c", script)
    return podman("run", "--rm", *LIMITS, *_RESTRICTED, *shell).stdout


def inspected() -> dict[str, Any]:
    """Return the image's configuration."""
    (found,) = json.loads(podman("image", "inspect", IMAGE).stdout)
    return dict(found)


def podman(*words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run one podman command."""
    return subprocess.run(
        ["podman", "--runtime", "runc", *words], check=check, text=True, capture_output=True
    )
