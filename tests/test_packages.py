"""The installed packages."""

import csv
from collections import defaultdict
from importlib.metadata import distributions


def test_no_two_packages_own_the_same_file() -> None:
    """Of such packages, the one that pip happens to install last overwrites the other's files."""
    owners = defaultdict(set)
    for package in distributions():
        name, folder = package.name, package.locate_file("")
        for row in csv.reader((package.read_text("RECORD") or "").splitlines()):
            if "__pycache__" not in row[0]:
                owners[folder, row[0]].add(name)
    shared = {tuple(sorted(names)): file for (_, file), names in owners.items() if len(names) > 1}
    assert shared == {}
