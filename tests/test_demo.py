"""`make demo` speaks TEXT as it is: neither make nor the shell expands it."""

import subprocess
from pathlib import Path

import pytest

MAKEFILE = Path(__file__).parents[1] / "Makefile"
STUB = """#!/bin/sh
for argument; do printf '%s\\0' "$argument"; done > arguments
"""
TEXTS = [
    'She said "hello" to me.',
    "It's 5 o'clock; don't `touch expanded`!",
    "It costs $5, or $(touch expanded) $$ ${HOME} $HOME",
    "$(shell touch expanded)",
    "100% \\n #1 & more | less > expanded",
    "--help",
    "你好 ♪",
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder whose `barkserve` writes down its arguments."""
    stub = tmp_path / ".venv/bin/barkserve"
    stub.parent.mkdir(parents=True)
    stub.write_text(STUB)
    stub.chmod(0o755)
    return tmp_path


def demo(folder: Path, *variables: str, **environment: str) -> list[str]:
    """Run `make demo` without installing anything; returns the arguments of barkserve."""
    subprocess.run(
        ["make", "-f", MAKEFILE, "-o", ".venv/bin/.stages", "demo", *variables],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", **environment},
        check=True,
        capture_output=True,
        timeout=60,
    )
    assert not (folder / "expanded").exists()
    return (folder / "arguments").read_bytes().decode().split("\0")[:-1]


@pytest.mark.parametrize("text", TEXTS)
def test_demo_speaks_text_as_it_is(folder: Path, text: str) -> None:
    expected = ["say", "-o", "my $file.wav", "--", text]
    assert demo(folder, f"TEXT={text}", "OUT=my $file.wav")[-5:] == expected
    assert demo(folder, TEXT=text, OUT="my $file.wav")[-5:] == expected


def test_demo_has_a_text_and_a_file(folder: Path) -> None:
    *_, output, separator, text = demo(folder)
    assert (output, separator) == ("demo.wav", "--")
    assert text.startswith("Hello!")
