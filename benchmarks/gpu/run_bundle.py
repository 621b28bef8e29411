"""Runs the packed benchmark on a machine without network. It needs nothing but Python to start.

    python run.py --budget 300 --out results.json

Unpacks the wheels into its own folder, and passes its options to `python -m benchmarks.gpu`.
"""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
SOURCES = (HERE / "site", HERE / "services", HERE / "clients" / "python", HERE)


def main() -> None:
    """Unpack the wheels once, and run the benchmark."""
    if not (HERE / "site").exists():
        for wheel in sorted((HERE / "wheels").glob("*.whl")):
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(HERE / "site")
    path = os.pathsep.join([*map(str, SOURCES), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-m", "benchmarks.gpu", *sys.argv[1:]]
    environment = {**os.environ, "PYTHONPATH": path.rstrip(os.pathsep)}
    sys.exit(subprocess.run(command, env=environment, check=False).returncode)


if __name__ == "__main__":
    main()
