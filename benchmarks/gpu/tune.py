"""The times of the decode kernels on this card, measured by `benchmarks.tune_gpu`."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from barkclient.bench.results import Result
from benchmarks.gpu.settings import Settings

_MODULE = "benchmarks.tune_gpu"


def measure(settings: Settings) -> Iterator[Result]:
    """Run the program, and keep the table that it writes."""
    if not settings.device.startswith("cuda") or find_spec(_MODULE) is None:
        message = "only on an NVIDIA GPU, with the kernels' tuning program"
        yield Result("tune", settings.case, status="skipped", message=message)
        return
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "table.json"
        subprocess.run([sys.executable, "-m", _MODULE, "--out", str(file)], check=True)
        yield Result("tune", settings.case, details={"table": json.loads(file.read_text())})
