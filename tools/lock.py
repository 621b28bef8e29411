"""Writes the locked requirements: every package with its version and the hashes of its files.

Torch is locked apart from the rest: its CUDA build in cuda.txt, its CPU build nowhere, because each
index of CPU builds has files of its own.

python -m tools.lock UV
"""

import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

FOLDER = Path("requirements")
_PYTHON = "3.11"  # the oldest one that we support; markers in the files tell the others apart
_TORCH = re.compile(r"(torch|triton|nvidia-[a-z0-9-]+|cuda-[a-z0-9-]+)==")
_HEADER = "# Written by `make lock` from {}. Do not edit.\n"


def main() -> None:
    """Lock the image, the tests and the tool that lists an image's packages."""
    uv = sys.argv[1]
    image = _compiled(uv, "image.in")
    _write("image", "image.in", (each for each in image if not _TORCH.match(each)))
    _write("cuda", "image.in", (each for each in image if _TORCH.match(each)))
    tests = _compiled(uv, "test.in")
    _write("test", "test.in", (each for each in tests if not _TORCH.match(each)))
    _write("tools", "tools.in", _compiled(uv, "tools.in"))


def _compiled(uv: str, source: str) -> list[str]:
    """Return the locked packages of a file, each with its hashes."""
    words = [uv, "pip", "compile", "--quiet", "--universal", "--python-version", _PYTHON]
    words += ["--generate-hashes", "--no-header", "--no-annotate", "--upgrade"]
    words += ["--constraint", "constraints.txt"]
    words += ["--no-emit-package", "barkserve", "--no-emit-package", "barkclient"]
    done = subprocess.run(
        [*words, str(FOLDER / source)], check=True, text=True, stdout=subprocess.PIPE
    )
    return [each for each in re.split(r"\n(?=[a-z])", done.stdout) if not each.startswith("#")]


def _write(name: str, source: str, packages: Iterable[str]) -> None:
    text = "\n".join(each.split("\n\n")[0].rstrip() for each in packages)
    (FOLDER / f"{name}.txt").write_text(_HEADER.format(source) + text + "\n")


if __name__ == "__main__":
    main()
