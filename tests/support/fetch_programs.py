"""Fetch programs from Debian into a folder, without installing them.

Needs apt-get and dpkg, but no root rights. Without them the tests skip what is not installed.

python tests/support/fetch_programs.py FOLDER PROGRAM...
"""

import shutil
import subprocess
import sys
from pathlib import Path

_PACKAGES = {
    "nginx": ("nginx",),
    "promtool": ("prometheus",),
    "haproxy": ("haproxy", "liblua5.3-0", "libopentracing-c-wrapper0", "libopentracing1"),
}


def main() -> None:
    """Fetch each program that is neither installed nor in the folder."""
    folder = Path(sys.argv[1]).resolve()
    for program in sys.argv[2:]:
        if shutil.which(program) or any(folder.glob(f"usr/*bin/{program}")):
            continue
        try:
            _fetch(folder, _PACKAGES[program])
        except (OSError, subprocess.CalledProcessError) as error:
            print(f"cannot fetch {program}: {error}. Install it to test with it.")


def _fetch(folder: Path, packages: tuple[str, ...]) -> None:
    downloads = folder / "downloads"
    downloads.mkdir(parents=True, exist_ok=True)
    download = ["apt-get", "download", "-qq", *packages]
    if subprocess.run(download, cwd=downloads, capture_output=True).returncode:
        subprocess.run(["apt-get", "update", "-qq"], check=True)
        subprocess.run(download, cwd=downloads, check=True)
    for package in downloads.glob("*.deb"):
        subprocess.run(["dpkg", "-x", str(package), str(folder)], check=True)
    shutil.rmtree(downloads)


if __name__ == "__main__":
    main()
