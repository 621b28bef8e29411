"""`make check` rejects what the style does not allow: a planted violation of each kind fails."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent


def run(*command: str | Path, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120)


def ruff(source: str) -> subprocess.CompletedProcess[str]:
    """Check source as if it were a module of barkserve."""
    return subprocess.run(
        [BIN / "ruff", "check", "--stdin-filename", "services/barkserve/planted.py", "-"],
        cwd=ROOT,
        input=source,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_prose_check_rejects_a_planted_phrase(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("A replica that dies is not heard.\n")
    checked = run(sys.executable, "-m", "tools.prose", page)
    assert checked.returncode == 1
    assert f"{page}:1: is not heard -> " in checked.stdout


def test_ruff_rejects_a_function_without_docstring() -> None:
    checked = ruff('"""A module."""\n\n\ndef planted() -> None:\n    pass\n')
    assert checked.returncode == 1
    assert "D103" in checked.stdout


def test_ruff_rejects_a_name_against_the_convention() -> None:
    source = '"""A module."""\n\n\ndef Planted() -> None:\n    """Do nothing."""\n'
    checked = ruff(source)
    assert checked.returncode == 1
    assert "N802" in checked.stdout


def test_ruff_accepts_a_documented_function() -> None:
    checked = ruff('"""A module."""\n\n\ndef planted() -> None:\n    """Do nothing."""\n')
    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize("word", ["behaviour", "colour", "teh"])
def test_codespell_rejects_misspelled_words(tmp_path: Path, word: str) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"The {word} of the planted page.\n")
    checked = run(BIN / "codespell", page)
    assert checked.returncode != 0
    assert word in checked.stdout


def test_workflow_check_rejects_an_unknown_key(tmp_path: Path) -> None:
    workflow = tmp_path / "test.yml"
    workflow.write_text("on: push\njobs:\n  a:\n    runs-on: x\n    stepz: []\n")
    checked = run(BIN / "check-jsonschema", "--builtin-schema", "vendor.github-workflows", workflow)
    assert checked.returncode == 1
    assert "stepz" in checked.stdout + checked.stderr
