"""The image's stand-in for a C compiler: Triton gets the file that the image was built with."""

import shutil
import subprocess
from pathlib import Path

import pytest

TRITON_CC = Path(__file__).parents[2] / "services/triton-cc"


@pytest.fixture
def compiler(tmp_path: Path) -> Path:
    (tmp_path / "cuda_utils.so").write_bytes(b"compiled before")
    return Path(shutil.copy(TRITON_CC, tmp_path))


def test_triton_gets_the_compiled_file(
    compiler: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = pytest.importorskip("triton.runtime.build")
    monkeypatch.setenv("CC", str(compiler))
    out = tmp_path / "out"
    out.mkdir()
    given = ("cuda_utils", "driver.c", str(out), ["/lib"], ["/include"], ["libcuda.so.1"], [])
    assert Path(build._build(*given)).read_bytes() == b"compiled before"


@pytest.mark.parametrize("words", [["x.c", "-o", "other.so"], ["--version"], []])
def test_triton_cc_fails_for_any_other_file(
    compiler: Path, tmp_path: Path, words: list[str]
) -> None:
    done = subprocess.run([compiler, *words], cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode != 0
    assert not (tmp_path / "other.so").exists()
