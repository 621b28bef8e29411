"""Checks of the device: torch's build, driver, flash-attn, Triton, MPS and instructions.

torch is loaded in a process of its own: a driver that hangs must not stop the other checks.
"""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from barkserve.config.doctor import DoctorOptions
from barkserve.doctor.finding import Finding, ok, problem, warning
from barkserve.kernels.toolchain import triton_problem
from barkserve.options import environment
from barkserve.up.mps import CONTROL, PIPE_VARIABLE

_PROBE_S = 120.0
_OLDEST_TORCH = (2, 6)
_PROBE = """
import json, torch
found = {"devices": [], "error": "", "flash": ""}
try:
    torch.zeros(1, device="cuda")
    for index in range(torch.cuda.device_count()):
        free, total = torch.cuda.mem_get_info(index)
        found["devices"].append([torch.cuda.get_device_name(index), free, total])
except Exception as error:
    found["error"] = str(error).strip().splitlines()[0]
try:
    import flash_attn
except Exception as error:
    found["flash"] = f"{type(error).__name__}: {error}".splitlines()[0]
print(json.dumps(found))
"""


def check_device(options: DoctorOptions) -> Iterator[Finding]:
    """Check torch, and what --device, --dtype, --attention and --mps need."""
    spec = find_spec("torch")
    if spec is None or spec.origin is None:
        yield problem("torch", "torch is not installed", "run pip install 'barkserve[stages]'")
        return
    build = TorchBuild.read(Path(spec.origin).parent)
    if build.release < _OLDEST_TORCH:
        yield problem("torch", f"torch {build.version} is too old", "install torch 2.6 or newer")
    if not options.device.startswith("cuda"):
        yield ok("torch", f"torch {build.version}")
        yield from _without_gpu(options)
        return
    if not (build.cuda or build.hip):
        yield problem(
            "torch",
            f"--device {options.device}, and torch {build.version} is a build without CUDA",
            "install a CUDA build of torch (pytorch.org lists the indexes), or use --device cpu",
        )
        return
    yield ok("torch", f"torch {build.version} for {_platform_of(build)}")
    probed = _probe()
    yield from _driver(options, build, probed)
    yield from _flash(options, probed)
    yield from _triton(options)
    yield from _mps(options)


class TorchBuild:
    """What torch was built for, read from its files.

    Attributes:
        version: such as "2.8.0+cu128".
        cuda: the version of CUDA; empty for other builds.
        hip: the version of ROCm; empty for other builds.
    """

    def __init__(self, version: str, cuda: str, hip: str) -> None:
        self.version = version
        self.cuda = cuda
        self.hip = hip

    @property
    def release(self) -> tuple[int, ...]:
        """The first two numbers of the version."""
        return tuple(int(number) for number in re.findall(r"\d+", self.version)[:2])

    @classmethod
    def read(cls, package: Path) -> "TorchBuild":
        """Read the build of the torch in a folder."""
        text = (package / "version.py").read_text()

        def value(name: str) -> str:
            found = re.search(rf"^{name}\b[^=]*= *'([^']*)'", text, re.MULTILINE)
            return found[1] if found else ""

        return cls(value("__version__"), value("cuda"), value("hip"))


def _platform_of(build: TorchBuild) -> str:
    return f"CUDA {build.cuda}" if build.cuda else f"ROCm {build.hip}"


def _probe() -> dict[str, Any]:
    """Ask torch, in another process, for its devices and for flash-attn."""
    try:
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", _PROBE],
            capture_output=True, text=True, timeout=_PROBE_S, check=False,
        )  # fmt: skip
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    except subprocess.TimeoutExpired:
        return {"devices": [], "error": f"no answer in {_PROBE_S:g} s", "flash": "not tried"}
    except (IndexError, ValueError):
        reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
        error = f"torch ended with exit code {done.returncode}: {reason}"
        return {"devices": [], "error": error, "flash": "not tried"}
    return found


def _driver(options: DoctorOptions, build: TorchBuild, probed: dict[str, Any]) -> Iterator[Finding]:
    devices, index = probed["devices"], int(options.device.partition(":")[2] or 0)
    if not devices:
        drivers = ("/proc/driver/nvidia/version", "/dev/dxg") if build.cuda else ("/dev/kfd",)
        present = any(Path(each).exists() for each in drivers)
        yield problem(
            "driver",
            f"torch cannot use a GPU ({probed['error']}); the driver is "
            f"{'installed' if present else 'missing'}",
            f"install a driver for {_platform_of(build)} on the host; a container needs --gpus all "
            "(Docker) or a limit nvidia.com/gpu (Kubernetes)",
        )
    elif index >= len(devices):
        yield problem(
            "driver",
            f"--device {options.device}, and there are {len(devices)} devices",
            f"use a number below {len(devices)}; the numbers begin with 0",
        )
    else:
        name, free, total = devices[index]
        yield ok("driver", f"{name}, {free / 2**30:.0f} of {total / 2**30:.0f} GiB free")


def _flash(options: DoctorOptions, probed: dict[str, Any]) -> Iterator[Finding]:
    if not probed["flash"]:
        yield ok("flash-attn", "flash-attn can be imported")
    elif options.attention in ("flash", "auto"):
        report = problem if options.attention == "flash" else warning
        yield report(
            "flash-attn",
            f"flash-attn cannot be imported ({probed['flash']})",
            "run pip install --no-build-isolation 'barkserve[flash]' with the torch that runs "
            "here, or use --attention triton",
        )


def _triton(options: DoctorOptions) -> Iterator[Finding]:
    found = triton_problem()
    if found is None:
        yield ok("triton", "Triton is installed, and it has a C compiler")
        return
    detail, _, remedy = found.partition("; ")
    report = problem if options.attention == "triton" else warning
    yield report("triton", f"{detail}: decode steps are slower than they could be", remedy)


def _mps(options: DoctorOptions) -> Iterator[Finding]:
    pipe = environment().get(PIPE_VARIABLE)
    if options.mps == "off":
        yield ok("mps", "--mps off: the stages take turns on the GPU")
    elif pipe and not (Path(pipe) / "control").exists():
        yield problem(
            "mps",
            f"{PIPE_VARIABLE} is {pipe}, and no MPS daemon listens there",
            f"start it with {CONTROL} -d and the same variable, or unset the variable",
        )
    elif pipe or shutil.which(CONTROL):
        yield ok("mps", f"daemon at {pipe}" if pipe else f"{CONTROL} is installed")
    else:
        report = problem if options.mps == "on" else warning
        yield report(
            "mps",
            f"{CONTROL} is not on the PATH: the stages take turns on the GPU",
            "add the folder of NVIDIA's driver programs to the PATH, or use --mps off",
        )


def _without_gpu(options: DoctorOptions) -> Iterator[Finding]:
    """Check the options that need a GPU, or a processor with certain instructions."""
    if options.attention in ("flash", "triton"):
        name = "flash-attn" if options.attention == "flash" else "triton"
        yield problem(
            name,
            f"--attention {options.attention} needs --device cuda, and the device is "
            f"{options.device}",
            "use --attention auto",
        )
    if options.mps == "on":
        yield problem(
            "mps", f"--mps on needs --device cuda, and the device is {options.device}",
            "use --mps off; MPS shares an NVIDIA GPU between processes",
        )  # fmt: skip
    cpu = Path("/proc/cpuinfo")
    if options.dtype == "int8" and "avx512_vnni" not in (cpu.read_text() if cpu.exists() else ""):
        yield problem(
            "processor", "--dtype int8 needs AVX-512 VNNI, which this processor lacks",
            "use --dtype bfloat16 or auto",
        )  # fmt: skip
