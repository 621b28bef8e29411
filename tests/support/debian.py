"""Downloads Debian packages with an apt configuration of their own, without root rights.

The system's lists of packages stay unchanged.
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

_KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg"


def configure_apt(folder: Path, release: str) -> dict[str, str]:
    """Configure apt for sources and packages of a release from this machine's mirror.

    Returns:
        The environment variables that make apt use the configuration.
    """
    home = folder / "apt"
    for name in ("lists/partial", "cache/archives/partial"):
        (home / name).mkdir(parents=True, exist_ok=True)
    place = f"[signed-by={_KEYS}] {_mirror()} {release} main"
    (home / "sources.list").write_text(f"deb {place}\ndeb-src {place}\n")
    (home / "apt.conf").write_text(
        f'Dir::Etc::SourceList "{home}/sources.list";\n'
        'Dir::Etc::SourceParts "-";\n'
        f'Dir::State::Lists "{home}/lists";\n'
        f'Dir::Cache "{home}/cache";\n'
        'APT::Sandbox::User "";\n'
    )
    return {"APT_CONFIG": str(home / "apt.conf")}


def unpack_packages(folder: Path, release: str, packages: Sequence[str], to: Path) -> None:
    """Download packages, without those that they depend on, and unpack their files."""
    environment = {**os.environ, **configure_apt(folder, release)}
    downloads = folder / "packages"
    downloads.mkdir(exist_ok=True)
    subprocess.run(["apt-get", "update", "-qq"], env=environment, check=True)
    subprocess.run(
        ["apt-get", "download", "-qq", *packages], cwd=downloads, env=environment, check=True
    )
    for package in downloads.glob("*.deb"):
        subprocess.run(["dpkg", "-x", str(package), str(to)], check=True)


def _mirror() -> str:
    """Return the mirror that apt uses for Debian."""
    words = "$(ORIGIN) $(RELEASE) $(REPO_URI)"
    listing = subprocess.run(
        ["apt-get", "indextargets", "--format", words], check=True, text=True, capture_output=True
    )
    for line in listing.stdout.splitlines():
        origin, release, uri = line.split(maxsplit=2)
        if origin == "Debian" and not release.endswith("-security"):
            return uri
    sys.exit("apt has no Debian source: these packages are Debian's")
