"""The Node.js client as a user installs it: packed and installed in an empty folder."""

import json
import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
CLIENT = ROOT / "clients/node"
TIMEOUT_S = 560  # npm and the compiler, on a busy machine


def run(*words: str | Path, cwd: Path, **environment: str) -> str:
    """Run a command to its end and return its output."""
    done = subprocess.run(
        words,
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def install_packed(folder: Path) -> None:
    """Install the packed client as the only dependency of a folder."""
    words = ("npm", "pack", "--json", "--ignore-scripts", f"--pack-destination={folder}")
    (packed,) = json.loads(run(*words, cwd=CLIENT))
    (folder / "package.json").write_text('{"name": "user", "private": true}')
    run("npm", "install", "--prefer-offline", "--no-audit", f"./{packed['filename']}", cwd=folder)
