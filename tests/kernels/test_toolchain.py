"""Triton runs only where it is installed and finds a C compiler."""

import shutil

import pytest

from barkserve.kernels import toolchain
from barkserve.kernels.toolchain import triton_problem


@pytest.mark.parametrize(
    ("installed", "programs", "compiler", "problem"),
    [
        (True, {"gcc"}, "", None),
        (True, {"clang"}, "", None),
        (True, set(), "/opt/cc", None),
        (True, set(), "", "C compiler"),
        (False, {"gcc"}, "", "not installed"),
    ],
)
def test_triton_problem_names_what_is_missing(
    installed: bool,
    programs: set[str],
    compiler: str,
    problem: str | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(toolchain, "find_spec", lambda name: object() if installed else None)
    monkeypatch.setattr(shutil, "which", lambda name: name if name in programs else None)
    monkeypatch.setenv("CC", compiler)
    found = triton_problem()
    assert found is None if problem is None else problem in str(found)
