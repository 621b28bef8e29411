"""Whether Triton can run here. It compiles a small C program at the start of a process."""

import os
import shutil
from importlib.util import find_spec


def triton_problem() -> str | None:
    """Return why Triton cannot run, and what to do; None: it can, if there is a GPU for it."""
    if find_spec("triton") is None:
        return "Triton is not installed; install a CUDA build of torch, which contains it"
    if not (os.environ.get("CC") or shutil.which("gcc") or shutil.which("clang")):
        return "Triton needs a C compiler; install gcc, or set CC"
    return None
