"""Runs the kernels in Triton's interpreter, and compiles them for an H100. Neither needs a GPU.

Both need processes of their own: Triton reads its environment when it is imported.
"""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

HERE = Path(__file__).parent
KERNELS = {
    "add_norm", "attend_chunks", "join_chunks", "join_linear", "norm_linear", "split_linear",
    "sum_row",
}  # fmt: skip
TRITON = {"TRITON_DEFAULT_FP_FUSION": "1"}  # the default until Triton 3.10, without its warning

pytestmark = pytest.mark.skipif(find_spec("triton") is None, reason="Triton runs on Linux only")


def run(args: list[str], **environment: str) -> str:
    """Run python in a process with more environment variables. Returns its output."""
    done = subprocess.run(
        [sys.executable, *args],
        env={**os.environ, **TRITON, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_kernels_equal_torch_in_the_interpreter() -> None:
    marks = [] if os.environ.get("KERNEL_SWEEP") else ["-m", "not sweep"]
    out = run(
        ["-m", "pytest", "-q", "-n0", str(HERE / "interpreted"), *marks, "--timeout", "3000"],
        TRITON_INTERPRET="1",
    )
    assert " passed" in out
    assert "skipped" not in out


@pytest.mark.skipif(not os.environ.get("KERNEL_SWEEP"), reason="make test-kernels compiles them")
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    ("dtype", "heads"), [("float16", 3), ("float16", 12), ("bfloat16", 12), ("float16", 16)]
)
def test_kernels_compile_for_hopper(dtype: str, heads: int, tmp_path: Path) -> None:
    """Shared memory is below what a block of an H100 can have."""
    check_compiled(compile_kernels(tmp_path, dtype, heads, "plain", "dependent"))


def test_small_kernels_compile_for_hopper(tmp_path: Path) -> None:
    check_compiled(compile_kernels(tmp_path, "float16", 1, "dependent"))


def compile_kernels(cache: Path, *args: object) -> list[dict]:
    out = run([str(HERE / "compile_kernels.py"), *map(str, args)], TRITON_CACHE_DIR=str(cache))
    return [json.loads(line) for line in out.splitlines() if line.startswith("{")]


def check_compiled(compiled: list[dict]) -> None:
    assert {each["kernel"] for each in compiled} == KERNELS
    assert all(each["code"] > 0 for each in compiled)
    assert max(each["shared"] for each in compiled) <= 227 * 1024
    dependent = {each["kernel"] for each in compiled if each["dependent"]}
    assert dependent == KERNELS - {"join_chunks", "sum_row"}
