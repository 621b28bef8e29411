"""A control plane on this machine: etcd, kube-apiserver, controller-manager and scheduler.

A proxy in front of the API server translates today's API. Pods are run by `kubelet`.
"""

import os
import signal
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from fixtures.processes import free_port
from tests.kubernetes.api_client import Api, kubeconfig
from tests.support.certificates import Authority, Files

BINARIES = Path(os.environ.get("CONTROL_PLANE", "")).resolve() / "bin"
BUILT = "CONTROL_PLANE" in os.environ
TOKEN = "administrator"

_CONTROLLERS = (
    "deployment", "replicaset", "endpoint", "endpointslice", "horizontalpodautoscaling",
    "disruption", "namespace", "garbagecollector", "serviceaccount", "serviceaccount-token",
)  # fmt: skip
_GATES = (
    "EndpointSliceTerminatingCondition=true,GenericEphemeralVolume=true,HPAContainerMetrics=true"
)


@dataclass
class ControlPlane:
    """A running control plane.

    Args:
        folder: folder for its data, logs and certificates.

    Attributes:
        url: URL of the API.
        ca: file of the authority that signed its certificate.
        config: kubectl's configuration of an administrator.
    """

    folder: Path
    port: int = field(default_factory=free_port)
    _inner: int = field(default_factory=free_port)
    _etcd: int = field(default_factory=free_port)
    _running: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)
    _logs: list[IO[bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._authority = Authority(self.folder / "certificates")
        self._files: Files = self._authority.issue("api")
        self.url, self.ca = f"https://127.0.0.1:{self.port}", self._files.ca
        self.config = self.folder / "kubeconfig"
        self.config.write_text(kubeconfig(self.url, self.ca, TOKEN))
        inner = kubeconfig(f"https://127.0.0.1:{self._inner}", "", TOKEN)
        (self.folder / "inner").write_text(inner)
        (self.folder / "tokens").write_text(f'{TOKEN},admin,1,"system:masters"\n')
        _write_key(self.folder / "accounts.key")

    def api(self, token: str = TOKEN) -> Api:
        """Return a client, with an administrator's rights unless another token is given."""
        return Api(self.url, self.ca, token)

    def start(self) -> None:
        """Start all programs and wait until they are ready."""
        self._run(
            "etcd", f"--data-dir={self.folder}/etcd", f"--listen-client-urls={self._etcd_url}",
            f"--advertise-client-urls={self._etcd_url}",
            f"--listen-peer-urls=http://127.0.0.1:{free_port()}", "--unsafe-no-fsync",
        )  # fmt: skip
        self.start_api()
        self._run(
            "kube-controller-manager", f"--kubeconfig={self.folder}/inner", "--leader-elect=false",
            f"--controllers={','.join(_CONTROLLERS)}", f"--feature-gates={_GATES}",
            "--horizontal-pod-autoscaler-sync-period=1s", "--authentication-skip-lookup",
            f"--service-account-private-key-file={self.folder}/accounts.key",
            f"--cert-dir={self.folder}/certificates", "--port=0", f"--secure-port={free_port()}",
        )  # fmt: skip
        self._run(
            "kube-scheduler", f"--kubeconfig={self.folder}/inner", "--leader-elect=false",
            "--authentication-skip-lookup", "--port=0", f"--secure-port={free_port()}",
            f"--cert-dir={self.folder}/certificates",
        )  # fmt: skip

    def start_api(self) -> None:
        """Start the API server and wait until it is ready."""
        issuer = "https://kubernetes.default.svc"
        self._run(
            "kube-apiserver", f"--etcd-servers={self._etcd_url}", f"--secure-port={self._inner}",
            "--bind-address=127.0.0.1", f"--cert-dir={self.folder}/certificates",
            f"--token-auth-file={self.folder}/tokens", "--authorization-mode=RBAC",
            f"--service-account-issuer={issuer}", f"--api-audiences={issuer}",
            f"--service-account-key-file={self.folder}/accounts.key",
            f"--service-account-signing-key-file={self.folder}/accounts.key",
            "--service-cluster-ip-range=10.96.0.0/16", "--endpoint-reconciler-type=none",
            "--disable-admission-plugins=TaintNodesByCondition", f"--feature-gates={_GATES}",
            # Otherwise the cache still has a resourceVersion from before etcd's compaction.
            "--watch-cache=false",
        )  # fmt: skip
        words = (str(self.port), self._files.certificate, self._files.key, str(self._inner))
        self._start("modern-api", [sys.executable, "-m", "tests.kubernetes.modern_api", *words])
        self._wait()

    def kill_api(self) -> None:
        """Kill the API server: all its connections break."""
        for name in ("modern-api", "kube-apiserver"):
            process = self._running.pop(name)
            process.kill()
            process.wait()

    def forget(self) -> None:
        """Compact etcd: a watch from any earlier version is refused from now on."""
        for _ in range(2):  # a watch from the last version would still get the first one
            self._etcdctl("put", "a-change", "of-no-interest")
        status = self._etcdctl("endpoint", "status", "--write-out=fields")
        lines = dict(line.split(" : ") for line in status.splitlines() if " : " in line)
        self._etcdctl("compact", lines['"Revision"'])

    def run_module(self, module: str, *words: str) -> None:
        """Run `python -m tests.kubernetes.MODULE` until the control plane stops."""
        self._start(module, [sys.executable, "-m", f"tests.kubernetes.{module}", *words])

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run kubectl or helm as an administrator."""
        environment = {**os.environ, "KUBECONFIG": str(self.config)}
        for name in ("CACHE", "CONFIG", "DATA"):
            environment[f"HELM_{name}_HOME"] = str(self.folder / "helm")
        return subprocess.run(
            [str(BINARIES / words[0]), *words[1:]],
            env=environment, text=True, capture_output=True, timeout=120,
        )  # fmt: skip

    def log(self, name: str) -> str:
        """Return the output of one of its programs."""
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def stop(self) -> None:
        """Stop all programs in reverse order."""
        for process in reversed(self._running.values()):
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for log in self._logs:
            log.close()

    @property
    def _etcd_url(self) -> str:
        return f"http://127.0.0.1:{self._etcd}"

    def _etcdctl(self, *words: str) -> str:
        command = [str(BINARIES / "etcdctl"), f"--endpoints={self._etcd_url}", *words]
        environment = {**os.environ, "ETCDCTL_API": "3"}
        done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
        return done.stdout

    def _run(self, name: str, *words: str) -> None:
        self._start(name, [str(BINARIES / name), *words])

    def _start(self, name: str, words: list[str]) -> None:
        log = (self.folder / f"{name}.log").open("ab")
        self._logs.append(log)
        self._running[name] = subprocess.Popen(words, stdout=log, stderr=log)

    def _wait(self) -> None:
        context = ssl.create_default_context(cafile=self.ca)
        request = urllib.request.Request(f"{self.url}/readyz")
        request.add_header("Authorization", f"Bearer {TOKEN}")
        until = time.monotonic() + 120
        while time.monotonic() < until:
            for name, process in self._running.items():
                assert process.poll() is None, f"{name} exited:\n{self.log(name)[-3000:]}"
            try:
                with urllib.request.urlopen(request, context=context, timeout=5):
                    return
            except OSError:
                time.sleep(0.1)
        raise AssertionError(self.log("kube-apiserver")[-3000:])


def _write_key(path: Path) -> None:
    """Write the key that signs the tokens of ServiceAccounts."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
    )


@contextmanager
def running_control_plane(folder: Path) -> Iterator[ControlPlane]:
    """Run a control plane, and stop it afterwards."""
    plane = ControlPlane(folder)
    try:
        plane.start()
        yield plane
    finally:
        plane.stop()
