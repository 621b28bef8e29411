"""Services whose model or event loop hangs while a file exists, to run as processes."""

from pathlib import Path
from typing import Literal

_PROGRAM = """
import pathlib, sys, time
from barkserve import __main__
from barkserve.codec.decoder import Decoder
from barkserve.engine.model_runner import ModelRunner
from barkserve.serving.orca import LoadReporter

hung = pathlib.Path(sys.argv.pop(1))

def hang_here():
    while hung.exists():
        time.sleep(0.01)

def hanging(work):
    def run(*given):
        hang_here()
        return work(*given)
    return run

if sys.argv.pop(1) == "model":
    ModelRunner.launch = hanging(ModelRunner.launch)
    Decoder.decode = hanging(Decoder.decode)
else:
    LoadReporter.StreamCoreMetrics = hanging(LoadReporter.StreamCoreMetrics)
__main__.main()
"""


def hanging(while_exists: Path, part: Literal["model", "event loop"]) -> tuple[str, ...]:
    """The `launch` of a `service_process` that can hang.

    Args:
        while_exists: the file that makes it hang.
        part: what hangs: each model call, or the event loop, in the next request for load reports.
    """
    return ("-c", _PROGRAM, str(while_exists), part)
