"""Runs one section, and writes each result as a line of JSON as soon as it is known.

python -m benchmarks.gpu.section NAME SETTINGS FILE
"""

import json
import sys
from dataclasses import asdict

from benchmarks.gpu.sections import section_named
from benchmarks.gpu.settings import Settings


def main() -> None:
    """Run the section that the command line names."""
    name, settings, path = sys.argv[1:]
    with open(path, "a", encoding="utf-8") as file:
        for result in section_named(name).measure(Settings.parse(settings)):
            print(json.dumps(asdict(result)), file=file, flush=True)


if __name__ == "__main__":
    main()
