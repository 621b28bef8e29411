"""The packages barkclient and barkserve: what their wheels contain and what they require."""

import email
import os
import subprocess
import sys
from collections.abc import Iterator
from email.message import Message
from importlib.metadata import distribution
from pathlib import Path
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import barkclient

ROOT = Path(__file__).parents[2]
CLIENT = ROOT / "clients" / "python"
SERVER_ONLY = {"huggingface-hub", "sentencex", "soundfile", "soxr", "torch"}

IMPORT_ALL = """
import pkgutil, sys
import barkclient, barkserve.v1.speech_pb2
for module in pkgutil.walk_packages(barkclient.__path__, "barkclient."):
    if not module.name.startswith(("barkclient.integrations.", "barkclient.__main__")):
        __import__(module.name)
print(*sorted(name for name in sys.modules if name.startswith("barkserve")), sep="\\n")
"""


def build_wheel(source: Path, folder: Path) -> Path:
    """Build one wheel with the build backend of this environment: no package index is needed."""
    options = ["--quiet", "--no-deps", "--no-index", "--no-build-isolation"]
    run(sys.executable, "-m", "pip", "wheel", *options, f"--wheel-dir={folder}", str(source))
    (wheel,) = folder.glob("*.whl")
    return wheel


def run(*command: str, folder: Path = ROOT, environment: dict[str, str] | None = None) -> str:
    result = subprocess.run(
        command, cwd=folder, env=environment, text=True, capture_output=True, timeout=120
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def client_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(CLIENT, tmp_path_factory.mktemp("client"))


@pytest.fixture(scope="module")
def server_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(ROOT, tmp_path_factory.mktemp("server"))


def files(wheel: Path) -> set[str]:
    """The files that a wheel installs."""
    with ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if ".dist-info/" not in name}


def metadata(wheel: Path, name: str = "METADATA") -> Message:
    with ZipFile(wheel) as archive:
        (path,) = [each for each in archive.namelist() if each.endswith(f".dist-info/{name}")]
        return email.message_from_bytes(archive.read(path))


def requirements(wheel: Path) -> list[Requirement]:
    """What a wheel requires without extras."""
    every = [Requirement(line) for line in metadata(wheel).get_all("Requires-Dist", [])]
    return [each for each in every if each.marker is None or each.marker.evaluate({"extra": ""})]


def test_client_wheel_holds_the_client_and_the_protos(client_wheel: Path) -> None:
    found = files(client_wheel)
    assert {"barkclient/__init__.py", "barkclient/py.typed"} <= found
    protos = {
        f"barkserve/v1/{path.name}" for path in (ROOT / "services/barkserve/v1").glob("*.py*")
    }
    outside = {name for name in found if not name.startswith("barkclient/")}
    assert outside == {*protos, "barkclient_command.py"}
    assert "barkserve/v1/speech_pb2.py" in protos


def test_client_requires_nothing_of_the_server(client_wheel: Path) -> None:
    names = {canonicalize_name(each.name) for each in requirements(client_wheel)}
    assert names == {"googleapis-common-protos", "grpcio", "numpy", "protobuf"}
    assert not names & SERVER_ONLY


def test_client_metadata_names_version_and_project(client_wheel: Path) -> None:
    about = metadata(client_wheel)
    assert about["Version"] == barkclient.__version__
    assert {line.split(",")[0] for line in about.get_all("Project-URL", [])} >= {"Source", "Issues"}
    assert set(about.get_all("Provides-Extra", [])) == {"bench", "livekit", "pipecat", "play"}


def test_client_works_with_its_own_requirements_alone(client_wheel: Path, tmp_path: Path) -> None:
    """The interpreter finds the wheel's files and the packages it requires, and nothing else."""
    installed, required = tmp_path / "installed", tmp_path / "required"
    with ZipFile(client_wheel) as archive:
        archive.extractall(installed)
    for package in sorted(closure(client_wheel)):
        link(package, required)
    environment = {**os.environ, "PYTHONPATH": f"{installed}{os.pathsep}{required}"}
    python = (sys.executable, "-S")  # -S: without this environment's packages
    printed = run(
        *python, "-m", "barkclient", "--version", folder=tmp_path, environment=environment
    )
    assert printed == f"barkclient {barkclient.__version__}\n"
    loaded = run(*python, "-c", IMPORT_ALL, folder=tmp_path, environment=environment).split()
    assert "barkserve.v1.speech_pb2" in loaded
    assert all(name == "barkserve" or name.startswith("barkserve.v1") for name in loaded)


def test_client_wheel_is_the_same_from_its_sdist(client_wheel: Path, tmp_path: Path) -> None:
    sdist = ("hatchling", "build", "-t", "sdist", "-d", str(tmp_path))
    run(sys.executable, "-m", *sdist, folder=CLIENT)
    (archive,) = tmp_path.glob("*.tar.gz")
    assert files(build_wheel(archive, tmp_path)) == files(client_wheel)


def test_server_and_client_wheels_share_no_file(client_wheel: Path, server_wheel: Path) -> None:
    assert not files(client_wheel) & files(server_wheel)
    assert {"barkserve/__main__.py", "barkserve/py.typed"} <= files(server_wheel)
    assert not [name for name in files(server_wheel) if name.startswith("barkserve/v1/")]


def test_server_requires_the_client_of_its_version(server_wheel: Path) -> None:
    version = metadata(server_wheel)["Version"]
    assert version == barkclient.__version__
    assert f"barkclient=={version}" in {str(each) for each in requirements(server_wheel)}


def closure(wheel: Path) -> set[str]:
    """The installed packages that a wheel requires, directly or not."""
    found: set[str] = set()
    waiting = requirements(wheel)
    while waiting:
        name = canonicalize_name(waiting.pop().name)
        if name not in found:
            found.add(name)
            waiting += active_requirements(name)
    return found


def active_requirements(package: str) -> Iterator[Requirement]:
    for line in distribution(package).requires or ():
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield requirement


def link(package: str, folder: Path) -> None:
    """Link an installed package's files into a folder."""
    for file in distribution(package).files or ():
        if ".." not in file.parts and "__pycache__" not in file.parts:
            target = folder / file
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(file.locate())
