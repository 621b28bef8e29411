"""Simulates kubelet and cluster DNS for a rendered chart, without a Kubernetes API.

Each Deployment's pod runs as a container with the same arguments, user, mounts, limits and
security context. Other pods find it by the name of its Service.
"""

import asyncio
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import httpx
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.helm.chart import Release
from tests.image.container import IMAGE, LIMITS, podman

_NAMESPACE = "speech"
_Part = Mapping[str, Any]  # of a manifest


@dataclass
class Pods:
    """The containers of a release.

    Args:
        release: the rendered chart.
        folders: folders that replace Secrets and claims, by name.
        scratch: folder for volumes with a pod's lifetime.
    """

    release: Release
    folders: Mapping[str, Path]
    scratch: Path
    network: str = ""
    names: dict[str, str] = field(default_factory=dict)

    def start(self, service: str) -> None:
        """Start one pod of a service."""
        spec, container = self.release.pod(service), self.release.container(service)
        aliases = [f"bark-{service}.{_NAMESPACE}.svc", f"bark-{service}"]
        aliases += {"orchestrator": ["bark"], "gateway": ["bark-http"]}.get(service, [])
        flags = [f"--network-alias={alias}" for alias in aliases]
        flags += ["--publish", f"127.0.0.1::{_probed_port(container)}"]
        for init in spec.get("initContainers", []):
            self._run(spec, init, ["--rm"])
        self.names[service] = self._run(spec, container, ["--detach", *flags]).stdout.strip()

    def run(self, pod: _Part) -> subprocess.CompletedProcess[str]:
        """Run a pod to its end."""
        (container,) = pod["spec"]["containers"]
        return self._run(pod["spec"], container, ["--rm"], check=False)

    async def ready(self, service: str) -> None:
        """Wait as the startup probe does, then for readiness."""
        container = self.release.container(service)
        startup = container["startupProbe"]
        until = time.monotonic() + startup["periodSeconds"] * startup["failureThreshold"]
        for probe in ("startup", "readiness", "liveness"):
            while not await self._passes(service, container[f"{probe}Probe"]):
                assert time.monotonic() < until, self.log(service)
                await asyncio.sleep(0.3)

    def terminate(self, service: str) -> int:
        """Send SIGTERM, and SIGKILL after the grace period; return the exit code (137: killed)."""
        grace = self.release.pod(service)["terminationGracePeriodSeconds"]
        podman("stop", "--time", str(grace), self.names[service])
        return int(podman("wait", self.names[service]).stdout)

    def log(self, service: str) -> str:
        """Return the output of a service."""
        done = podman("logs", self.names[service])
        return done.stdout + done.stderr

    async def _passes(self, service: str, probe: _Part) -> bool:
        port = str(_probed_port(self.release.container(service)))
        address = podman("port", self.names[service], port).stdout.split()[0]
        return await (_http_passes if "httpGet" in probe else _grpc_passes)(address, probe)

    def _run(
        self, spec: _Part, container: _Part, words: list[str], check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        command = container.get("command", ["barkserve"])
        environment = [f"--env={each['name']}={each['value']}" for each in container.get("env", [])]
        entry = ["--entrypoint", command[0], IMAGE, *command[1:], *container["args"]]
        flags = [f"--network={self.network}", *LIMITS, *environment]
        flags += _restrictions(spec, container)
        return podman("run", *words, *flags, *self._mounts(spec, container), *entry, check=check)

    def _mounts(self, spec: _Part, container: _Part) -> list[str]:
        volumes = {each["name"]: each for each in spec["volumes"]}
        flags = []
        for mount in container["volumeMounts"]:
            volume, path = volumes[mount["name"]], mount["mountPath"]
            if path == "/tmp":
                flags += ["--tmpfs", path]
                continue
            if "image" in volume:
                source = volume["image"]["reference"]
                flags += ["--mount", f"type=image,source={source},destination={path}"]
                continue
            mode = "ro" if mount.get("readOnly") else "rw"
            flags += ["--volume", f"{self._folder(spec, volume)}:{path}:{mode}"]
        return flags

    def _folder(self, spec: _Part, volume: _Part) -> Path:
        if "secret" in volume:
            return self.folders[volume["secret"]["secretName"]]
        if "persistentVolumeClaim" in volume:
            return self.folders[volume["persistentVolumeClaim"]["claimName"]]
        folder = self.scratch / f"{spec.get('serviceAccountName')}-{volume['name']}"
        folder.mkdir(exist_ok=True)
        folder.chmod(0o777)  # as fsGroup would
        return folder


def _probed_port(container: _Part) -> int:
    probe = container["livenessProbe"]
    if "grpc" in probe:
        return int(probe["grpc"]["port"])
    names = {each["name"]: each["containerPort"] for each in container["ports"]}
    return int(names[probe["httpGet"]["port"]])


async def _http_passes(address: str, probe: _Part) -> bool:
    """Ask as a kubelet does, which verifies no certificate."""
    url = f"{probe['httpGet']['scheme'].lower()}://{address}{probe['httpGet']['path']}"
    async with httpx.AsyncClient(verify=False, timeout=5) as http:
        try:
            return (await http.get(url)).is_success
        except httpx.TransportError:
            return False


async def _grpc_passes(address: str, probe: _Part) -> bool:
    async with grpc.aio.insecure_channel(address) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        request = health_pb2.HealthCheckRequest(service=probe["grpc"]["service"])
        try:
            answer = await stub.Check(request, timeout=5)
        except grpc.aio.AioRpcError:
            return False
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


def _restrictions(spec: _Part, container: _Part) -> list[str]:
    user, context = spec["securityContext"], container["securityContext"]
    flags = [f"--user={user['runAsUser']}:{user['runAsGroup']}"]
    flags += [f"--cap-drop={each}" for each in context["capabilities"]["drop"]]
    if context["readOnlyRootFilesystem"]:
        flags.append("--read-only")
    if not context["allowPrivilegeEscalation"]:
        flags.append("--security-opt=no-new-privileges")
    memory = container["resources"]["limits"]["memory"]
    return [*flags, "--memory", memory.replace("Gi", "g").replace("Mi", "m")]


@contextmanager
def pods(
    release: Release, scratch: Path, folders: Mapping[str, Path] | None = None
) -> Iterator[Pods]:
    """Create a network for a release's pods; everything is removed afterwards."""
    found = Pods(release, folders or {}, scratch)
    found.network = podman("network", "create").stdout.strip()
    try:
        yield found
    finally:
        for name in found.names.values():
            podman("rm", "--force", "--time", "20", name)
        podman("network", "rm", "--force", found.network)
