"""All services as processes (`barkserve up`), and the load of `barkclient bench`."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from barkclient.bench.results import Result
from benchmarks.gpu.settings import Settings

_VOICE = "v2/test_speaker_1"  # longer than every window


def measure(settings: Settings) -> Iterator[Result]:
    """Start the services, run the load in a process of its own, and stop them."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "results"
        load = [sys.executable, "-m", "benchmarks.gpu.load", settings.to_json(), str(file)]
        process = subprocess.Popen([*_services(settings), "--", *load])
        yield from _followed(process, file, settings)
        if process.returncode:
            message = f"barkserve up ended with {process.returncode}"
            yield Result("load", settings.case, status="failed", message=message)


def _services(settings: Settings) -> list[str]:
    ports = [f"--{name}=0" for name in ("port", "metrics-port", "http-port", "wyoming-port")]
    options = {
        "checkpoint": str(settings.folder),
        "voice": _VOICE,
        "admission": "count",  # the load decides, not the admission
        "max-streams": 256,
        **settings.stage_options(),
    }
    flags = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
    return [sys.executable, "-m", "barkserve", "up", *ports, *flags]


def _followed(process: subprocess.Popen[bytes], file: Path, settings: Settings) -> Iterator[Result]:
    """Yield the results while they are written, until the process ends."""
    position, running = 0, True
    while running:
        try:
            process.wait(timeout=0.5)
            running = False
        except subprocess.TimeoutExpired:
            pass
        text = file.read_text("utf-8") if file.exists() else ""
        whole = text[position : text.rfind("\n") + 1]
        position += len(whole)
        for line in whole.splitlines():
            result = Result(**json.loads(line))
            yield replace(result, case={**settings.case, "dtype": settings.dtype, **result.case})
