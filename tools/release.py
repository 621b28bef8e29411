"""Check that a release tag agrees with the versions in the tree, and print the release notes.

Usage: ``python -m tools.release v1.2.3``. Run by the release workflow.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def versions() -> dict[str, str]:
    """Return the version that each place in the tree states, by a name for the place."""
    places = {
        "clients/python/barkclient/_version.py": r'^__version__ = "(.+)"',
        "clients/node/package.json": r'^  "version": "(.+)"',
        "clients/node/package-lock.json": r'^  "version": "(.+)"',
        "pyproject.toml": r'"barkclient==([^"]+)"',
        "helm/barkserve/Chart.yaml": r"^version: (\S+)",
        "helm/barkserve/Chart.yaml (appVersion)": r"^appVersion: (\S+)",
    }
    stated = {}
    for place, pattern in places.items():
        text = (ROOT / place.partition(" ")[0]).read_text()
        match = re.search(pattern, text, re.MULTILINE)
        stated[place] = match[1] if match else "nothing"
    return stated


def notes(changelog: str, version: str) -> str:
    """Return the changelog's section for a version, or an empty text if it has none."""
    heading = rf"^## \[{re.escape(version)}\][^\n]*\n"
    match = re.search(heading + r"(.*?)(?=^## |^\[|\Z)", changelog, re.MULTILINE | re.DOTALL)
    return match[1].strip() if match else ""


def main(tag: str) -> int:
    """Print the notes of the version that the tag names; return 1 if the tree disagrees."""
    version = tag.removeprefix("v")
    wrong = {path: stated for path, stated in versions().items() if stated != version}
    for path, stated in wrong.items():
        print(f"{path} says {stated}, the tag says {version}: correct the file", file=sys.stderr)
    text = notes((ROOT / "CHANGELOG.md").read_text(), version)
    if not text:
        print(f"CHANGELOG.md has no section [{version}]: add it", file=sys.stderr)
    print(text)
    return int(bool(wrong) or not text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
