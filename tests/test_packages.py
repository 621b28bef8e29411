"""The installed packages."""

from collections import defaultdict
from importlib.metadata import distributions


def test_no_two_packages_own_the_same_file() -> None:
    """Of such packages, the one that pip happens to install last overwrites the other's files."""
    owners = defaultdict(set)
    for package in distributions():
        for file in package.files or ():
            if "__pycache__" not in file.parts:
                owners[package.locate_file(file)].add(package.name)
    shared = {tuple(sorted(names)): str(file) for file, names in owners.items() if len(names) > 1}
    assert shared == {}
