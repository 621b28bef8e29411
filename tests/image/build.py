"""Build the image with `make image` on a machine without Docker.

buildah builds it without a daemon, on a base image of Debian's packages. pip gets the same
settings inside the build as outside.

python tests/image/build.py IMAGE [VARIANT]
"""

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlparse

_BASE = "python:3.11-slim"
_DEBIAN = "bookworm"  # has Python 3.11
_PIP_SETTINGS = ("index-url", "extra-index-url", "find-links", "cert")
_TOOLS = ("buildah", "podman", "runc", "debootstrap")
_NETWORK = (
    "netavark",
    "aardvark-dns",
    "iptables",
)  # programs that podman calls, also from outside PATH


def main() -> None:
    """Build the base image if it is missing, then the image."""
    image, variant = sys.argv[1], (sys.argv[2:] or ["cpu"])[0]
    missing = [tool for tool in _TOOLS if shutil.which(tool) is None]
    if missing:
        packages = " ".join((*_TOOLS, *_NETWORK))
        sys.exit(f"missing: {' '.join(missing)}; on Debian: apt-get install {packages}")
    if not _has_base():
        _make_base()
    build = ["buildah", "bud", "--isolation", "chroot", "--network", "host", "--layers"]
    build += ["--ulimit", "nofile=1024:4096", "--from", f"localhost/{_BASE}"]
    build += pip_flags(_pip_settings())
    words = ["make", "image", f"IMAGE_BUILD={shlex.join(build)}"]
    subprocess.run([*words, f"IMAGE={image}", f"VARIANT={variant}"], check=True)


def pip_flags(settings: Mapping[str, str]) -> list[str]:
    """Return build flags for pip's settings: arguments and mounts that the image does not keep."""
    flags: list[str] = []
    for name, value in sorted(settings.items()):
        flags += ["--build-arg", f"PIP_{name.upper().replace('-', '_')}={value}"]
        for path in _local_paths(value):
            flags += ["--volume", f"{path}:{path}:ro"]
    return flags


def _local_paths(value: str) -> list[Path]:
    """Return the local paths that a setting names; for an index its parent, which has the files."""
    paths = []
    for word in value.split():
        path = Path(urlparse(word).path)
        if urlparse(word).scheme in ("", "file") and path.exists():
            paths.append(path.parent if path.name == "simple" else path)
    return paths


def _pip_settings() -> dict[str, str]:
    """Return the settings of `pip config` and the environment; the environment wins."""
    listing = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], check=True, text=True, capture_output=True
    )
    found: dict[str, list[str]] = {}
    for line in listing.stdout.splitlines():
        origin, _, value = line.partition("=")
        name = origin.rpartition(".")[2]
        if name in _PIP_SETTINGS:
            found.setdefault(name, []).append(value.strip("'\""))
    settings = {name: values[-1] for name, values in found.items()}
    for name in _PIP_SETTINGS:
        variable = f"PIP_{name.upper().replace('-', '_')}"
        if variable in os.environ:
            settings[name] = os.environ[variable]
    return settings


def _has_base() -> bool:
    known = subprocess.run(["podman", "image", "exists", f"localhost/{_BASE}"], check=False)
    return known.returncode == 0


def _make_base() -> None:
    """Build a base image with Debian's Python, at the paths that the Dockerfile uses."""
    packages = "python3,python3-venv,python3-pip,ca-certificates"
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "root"
        bootstrap = ["debootstrap", "--variant=minbase", f"--include={packages}"]
        subprocess.run([*bootstrap, _DEBIAN, str(root), *_mirror()], check=True)
        for name in ("python", "pip"):
            (root / "usr/local/bin" / name).symlink_to(f"/usr/bin/{name}3")
        archive = Path(folder) / "root.tar"
        subprocess.run(["tar", "-C", str(root), "-cf", str(archive), "."], check=True)
        subprocess.run(["podman", "import", str(archive), f"localhost/{_BASE}"], check=True)


def _mirror() -> list[str]:
    """Return the mirror that apt uses on this machine, or nothing for debootstrap's default."""
    listing = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE)"],
        check=True, text=True, capture_output=True,
    )  # fmt: skip
    lines = [line.split() for line in listing.stdout.splitlines()]
    return next(([uri] for uri, *release in lines if release == [_DEBIAN]), [])


if __name__ == "__main__":
    main()
