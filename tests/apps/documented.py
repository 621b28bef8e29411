"""Programs in docs/http.md."""

import re
from pathlib import Path

_PAGE = Path(__file__).parents[2] / "docs/http.md"
_PYTHON = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)


def documented_program(beginning: str) -> str:
    """Return the program that begins so."""
    programs = _PYTHON.findall(_PAGE.read_text())
    (found,) = (program for program in programs if program.startswith(beginning))
    return str(found)
