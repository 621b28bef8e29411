"""Simulates a node: kubelet, container runtime and network.

Each pod that the scheduler binds gets its own address on this machine, 127.0.x.y. A container with
the image PROGRAM runs as a process: `barkserve` of this checkout with the pod's arguments, probes
and grace period. A container of any other image does nothing and is ready. An Event "Stopped"
reports the exit code of a program.

python -m tests.kubernetes.kubelet URL CA TOKEN FOLDER
"""

import asyncio
import contextlib
import datetime
import itertools
import logging
import os
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.kubernetes.api_client import Api, ApiError, Json, kubeconfig

NODE = "node"
_NODE_LABELS = {
    "kubernetes.io/hostname": NODE,
    "kubernetes.io/os": "linux",
    "kubernetes.io/arch": "amd64",
}
PROGRAM = "barkserve-of-this-checkout"

_POLL_S = 0.1
_SERVICE_NAME = re.compile(r"(?P<name>[a-z0-9-]+)\.(?P<namespace>[a-z0-9-]+)\.svc\b")
_LOST = (ApiError, aiohttp.ClientError, TimeoutError, OSError)
_log = logging.getLogger(__name__)


class Kubelet:
    """All pods of the node.

    Args:
        api: client with an administrator's rights.
        folder: folder for logs and mounted tokens.
    """

    def __init__(self, api: Api, folder: Path) -> None:
        self._api, self._folder = api, folder
        self._pods: dict[str, Pod] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._addresses = _addresses()

    async def run(self) -> None:
        """Add the node, then follow its pods until cancelled."""
        await self._api.post("/api/v1/nodes", _node())
        try:
            while True:
                with contextlib.suppress(*_LOST):  # the API server may be down for a while
                    await self._sync()
                await asyncio.sleep(_POLL_S)
        finally:
            for task in self._tasks.values():
                task.cancel()
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _sync(self) -> None:
        found = await self._api.get("/api/v1/pods", fieldSelector=f"spec.nodeName={NODE}")
        for body in found["items"]:
            uid = body["metadata"]["uid"]
            if uid not in self._pods:
                self._pods[uid] = Pod(self._api, body, next(self._addresses), self._folder)
                self._tasks[uid] = asyncio.create_task(self._pods[uid].run())
            if "deletionTimestamp" in body["metadata"]:
                self._pods[uid].grace = body["metadata"].get("deletionGracePeriodSeconds", 30)
                self._pods[uid].deleted.set()


class Pod:
    """One pod, from its binding to its removal.

    Attributes:
        deleted: set when the pod was deleted.
        grace: seconds from then to SIGKILL.
    """

    def __init__(self, api: Api, body: Json, address: str, folder: Path) -> None:
        self._api, self._body, self._address, self._folder = api, body, address, folder
        (self._container, *_) = body["spec"]["containers"]
        self.deleted = asyncio.Event()
        self.grace: float = 0
        self._process: asyncio.subprocess.Process | None = None
        self._reported: bool | None = None

    async def run(self) -> None:
        """Run the pod until it was deleted and has stopped."""
        probing = None
        try:
            if self._container["image"].startswith(PROGRAM):
                await self._start()
            probing = asyncio.create_task(self._probe())
            await self.deleted.wait()
            code = await self._stop()
            probing.cancel()
            await self._end(code)
        except Exception:
            _log.exception("pod %s failed", self._name)
        finally:
            if probing is not None:
                probing.cancel()
            if self._process is not None and self._process.returncode is None:
                self._process.kill()
                await self._process.wait()

    @property
    def _name(self) -> str:
        return str(self._body["metadata"]["name"])

    @property
    def _path(self) -> str:
        return f"/api/v1/namespaces/{self._body['metadata']['namespace']}/pods/{self._name}"

    async def _start(self) -> None:
        words = [await self._resolved(word) for word in self._container["args"]]
        words += [f"--host={self._address}", "--exit-on-stdin-close"]
        environment = {
            **os.environ,
            **{e["name"]: e["value"] for e in self._container.get("env", [])},
        }
        if self._body["spec"].get("automountServiceAccountToken", True):
            environment["KUBECONFIG"] = str(await self._mount_token())
        with (self._folder / f"{self._name}.log").open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "barkserve", *words,
                env=environment, stdin=asyncio.subprocess.PIPE, stdout=log, stderr=log,
            )  # fmt: skip

    async def _resolved(self, word: str) -> str:
        """Replace a Service's name by the address of a ready pod, as the cluster's DNS would."""
        found = _SERVICE_NAME.search(word)
        if found is None:
            return word
        # Not Endpoints, which refuse the loopback addresses of these pods.
        path = f"/apis/discovery.k8s.io/v1/namespaces/{found['namespace']}/endpointslices"
        label = f"kubernetes.io/service-name={found['name']}"
        while True:
            with contextlib.suppress(*_LOST):
                slices = (await self._api.get(path, labelSelector=label))["items"]
                for endpoint in (each for part in slices for each in part["endpoints"] or ()):
                    if endpoint["conditions"].get("ready"):
                        return word.replace(found[0], endpoint["addresses"][0])
            await asyncio.sleep(_POLL_S)

    async def _mount_token(self) -> Path:
        """Write a kubeconfig with the account's token: a process has no own /var/run/secrets."""
        metadata, account = self._body["metadata"], self._body["spec"]["serviceAccountName"]
        path = f"/api/v1/namespaces/{metadata['namespace']}/serviceaccounts/{account}/token"
        answer = await self._api.post(path, {"spec": {"expirationSeconds": 3600}})
        token = answer["status"]["token"]
        file = self._folder / f"{self._name}.kubeconfig"
        file.write_text(kubeconfig(self._api.url, self._api.ca, token, metadata["namespace"]))
        return file

    async def _probe(self) -> None:
        """Update the pod's conditions from its readiness probe."""
        probe = self._container.get("readinessProbe") or {}
        while True:
            with contextlib.suppress(*_LOST):
                await self._report(await self._ready(probe))
            await asyncio.sleep(probe.get("periodSeconds", 1) if self._reported else _POLL_S)

    async def _ready(self, probe: Json) -> bool:
        if self._process is None:
            return True
        if self._process.returncode is not None:
            return False
        if "httpGet" in probe:
            return await self._answers(probe["httpGet"])
        address = f"{self._address}:{probe['grpc']['port']}"
        async with grpc.aio.insecure_channel(address) as channel:
            request = health_pb2.HealthCheckRequest(service=probe["grpc"].get("service", ""))
            try:
                stub = health_pb2_grpc.HealthStub(channel)
                answer = await stub.Check(request, timeout=probe.get("timeoutSeconds", 1))
            except grpc.aio.AioRpcError:
                return False
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)

    async def _answers(self, get: Json) -> bool:
        ports = {each["name"]: each["containerPort"] for each in self._container["ports"]}
        url = f"{get['scheme'].lower()}://{self._address}:{ports[get['port']]}{get['path']}"
        try:
            async with aiohttp.ClientSession() as session, session.get(url) as answer:
                return answer.ok
        except _LOST:
            return False

    async def _report(self, ready: bool) -> None:
        if ready == self._reported:
            return
        now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        condition = {"status": str(ready), "lastTransitionTime": now}
        status = {
            "phase": "Running",
            "podIP": self._address,
            "podIPs": [{"ip": self._address}],
            "conditions": [{"type": each, **condition} for each in ("Ready", "ContainersReady")],
            "containerStatuses": [self._container_status(ready)],
        }
        await self._api.patch(f"{self._path}/status", {"status": status}, "strategic")
        self._reported = ready

    def _container_status(self, ready: bool) -> Json:
        started = self._body["metadata"]["creationTimestamp"]
        return {
            "name": self._container["name"], "image": self._container["image"], "imageID": "",
            "restartCount": 0, "ready": ready, "state": {"running": {"startedAt": started}},
        }  # fmt: skip

    async def _stop(self) -> int:
        """Run the preStop hook, send SIGTERM, and SIGKILL after the grace period."""
        clock = asyncio.get_running_loop()
        until = clock.time() + self.grace
        hook = (self._container.get("lifecycle") or {}).get("preStop") or {}
        await asyncio.sleep(min(hook.get("sleep", {}).get("seconds", 0), self.grace))
        if self._process is None:
            return 0
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
        try:
            await asyncio.wait_for(self._process.wait(), max(0.0, until - clock.time()))
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        return self._process.returncode or 0

    async def _end(self, code: int) -> None:
        metadata = self._body["metadata"]
        event = {
            "metadata": {"generateName": f"{self._name}.", "namespace": metadata["namespace"]},
            "involvedObject": {
                "apiVersion": "v1", "kind": "Pod", "name": self._name,
                "namespace": metadata["namespace"], "uid": metadata["uid"],
            },
            "reason": "Stopped",
            "message": str(code),
            "type": "Normal",
        }  # fmt: skip
        delete = {"gracePeriodSeconds": 0, "preconditions": {"uid": metadata["uid"]}}
        for attempt in itertools.count():
            try:
                if self._process is not None and event:
                    await self._api.post(
                        f"/api/v1/namespaces/{metadata['namespace']}/events", event
                    )
                    event = {}
                await self._api.delete(self._path, delete)
                return
            except ApiError as error:
                if error.status == 404 or attempt > 100:
                    return
            except _LOST:
                pass
            await asyncio.sleep(_POLL_S)


def _node() -> Json:
    capacity = {"cpu": "64", "memory": "256Gi", "ephemeral-storage": "256Gi", "pods": "500"}
    ready = {"type": "Ready", "status": "True", "reason": "KubeletReady"}
    return {
        "metadata": {"name": NODE, "labels": _NODE_LABELS},
        "status": {"capacity": capacity, "allocatable": capacity, "conditions": [ready]},
    }


def _addresses() -> Iterator[str]:
    for number in itertools.count(1):
        yield f"127.0.{1 + number // 250}.{1 + number % 250}"


async def main() -> None:
    """Run until killed."""
    url, ca, token, folder = sys.argv[1:]
    async with Api(url, ca, token) as api:
        running = asyncio.create_task(Kubelet(api, Path(folder)).run())
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, running.cancel)
        await asyncio.gather(running, return_exceptions=True)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    asyncio.run(main())
