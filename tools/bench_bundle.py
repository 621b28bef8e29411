"""Packs the GPU benchmark for a machine without network: sources, wheels and a script to run.

    python -m tools.bench_bundle --python 3.12 --platform manylinux_2_28_x86_64

The machine needs Python with torch and transformers. The wheels are those of the locked
requirements that neither of them brings along. On the machine:

    python build/bench-gpu-bundle/run.py --budget 300 --out results.json
"""

import argparse
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path

from barkclient import __version__

ROOT = Path(__file__).parents[1]
SOURCES = ("services/barkserve", "clients/python/barkclient", "benchmarks", "fixtures")
NOT_PACKED = (".safetensors", ".png", ".json.gz")  # what the benchmark does not read
THERE = ("torch", "transformers", "numpy")
"""What the machine has, with all that these require."""

EXTRAS = ("stages",)
NOT_USED = ("av", "docopt")
"""Requirements of what the benchmark does not run: FFmpeg, and num2words' command."""

LOCK = ROOT / "requirements" / "image.txt"
LIMIT_MIB = 60
_NAME = re.compile(r"[A-Za-z0-9._-]+")
_LOCKED = re.compile(r"^([a-z0-9._-]+)==(\S+)", re.MULTILINE)


def main() -> None:
    """Pack the bundle from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--python", default="3.12", help="version of Python on the machine")
    parser.add_argument("--platform", default="manylinux_2_28_x86_64", help="tag of its wheels")
    parser.add_argument("--there", nargs="*", default=THERE, help="packages that it has")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "bench-gpu-bundle")
    given = parser.parse_args()
    shutil.rmtree(given.out, ignore_errors=True)
    pack_sources(given.out)
    download(wheels_needed(given.there), given.out / "wheels", given.python, given.platform)
    size = check_size(given.out)
    print(f"{given.out}: {size:.1f} MiB; run it there with: python {given.out.name}/run.py")


def pack_sources(out: Path) -> None:
    """Copy the sources, the script, and the metadata that names barkserve's version."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", *SOURCES],
        cwd=ROOT,
        check=True,
        text=True,
        capture_output=True,
    )
    for name in listed.stdout.split("\0"):
        if name and not name.endswith(NOT_PACKED) and not name.startswith("benchmarks/results/"):
            target = out / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, target)
    about = out / "services" / f"barkserve-{__version__}.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: barkserve\nVersion: {__version__}\n"
    )
    shutil.copyfile(ROOT / "benchmarks" / "gpu" / "run_bundle.py", out / "run.py")


def wheels_needed(there: Iterable[str]) -> list[str]:
    """Return name==version of all packages that barkserve requires and the machine lacks."""
    required = _closure(_direct())
    missing = required - _closure(there) - set(NOT_USED)
    locked = dict(_LOCKED.findall(LOCK.read_text()))
    return sorted(f"{name}=={locked[name]}" for name in missing if name in locked)


def download(packages: Iterable[str], folder: Path, python: str, platform: str) -> None:
    """Download the wheels of a platform."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--only-binary=:all:", "--implementation=cp", f"--python-version={python}"]
    command += [f"--platform={tag}" for tag in (platform, *_older(platform))]
    subprocess.run([*command, f"--dest={folder}", *packages], check=True)


def check_size(folder: Path) -> float:
    """Return the size of a bundle in MiB; exit if it is above the limit."""
    files = sorted(
        (each for each in folder.rglob("*") if each.is_file()),
        key=lambda each: -each.stat().st_size,
    )
    size = sum(each.stat().st_size for each in files) / 2**20
    if size > LIMIT_MIB:
        largest = ", ".join(each.name for each in files[:5])
        raise SystemExit(
            f"the bundle has {size:.0f} MiB, more than {LIMIT_MIB}; name packages that the machine "
            f"has with --there. The largest files: {largest}"
        )
    return size


def _direct() -> Iterator[str]:
    """Yield the packages that barkserve requires directly."""
    for requirement in metadata.requires("barkserve") or ():
        extra = re.search(r"extra == ['\"](\w+)['\"]", requirement)
        if extra is None or extra[1] in EXTRAS:
            yield _name_of(requirement)


def _closure(names: Iterable[str]) -> set[str]:
    """Return packages and all that they require, as far as they are installed here."""
    found: set[str] = set()
    waiting = [_name_of(name) for name in names]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += [_name_of(each) for each in _requirements(name) if "extra ==" not in each]
    return found


def _requirements(name: str) -> list[str]:
    try:
        return metadata.requires(name) or []
    except metadata.PackageNotFoundError:
        return []


def _name_of(requirement: str) -> str:
    match = _NAME.match(requirement)
    assert match is not None
    return re.sub(r"[-_.]+", "-", match[0]).lower()


def _older(platform: str) -> Iterator[str]:
    """Yield the older tags whose wheels also run on a manylinux platform."""
    match = re.fullmatch(r"manylinux_2_(\d+)_(\w+)", platform)
    for minor in range(int(match[1]) - 1, 16, -1) if match else ():
        yield f"manylinux_2_{minor}_{match[2]}" if match else ""
    if match:
        yield f"manylinux2014_{match[2]}"


if __name__ == "__main__":
    main()
