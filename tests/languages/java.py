"""gRPC for Java, from the Debian packages that `make test-clients` unpacks."""

import os
import shutil
from pathlib import Path

from tests.languages.go import ROOT, run

JAVA = os.environ.get("JAVA_PACKAGES", "") if shutil.which("javac") else ""
_PROTOS = (
    "barkserve/v1/common.proto",
    "barkserve/v1/speech.proto",
    "google/rpc/status.proto",
)


async def compile_java(program: str, folder: Path) -> str:
    """Generate the classes of the protos, and compile them with the program Say.

    Returns:
        The class path.
    """
    sources, classes = folder / "sources", folder / "classes"
    sources.mkdir()
    (sources / "Say.java").write_text(program)
    await protoc(f"--java_out={sources}", f"--grpc-java_out={sources}", *_PROTOS)
    path = os.pathsep.join([str(classes), str(Path(JAVA) / "usr/share/java/*")])
    files = [str(file) for file in sources.rglob("*.java")]
    await run("javac", "-nowarn", "-cp", path, "-d", str(classes), *files, cwd=folder)
    return path


def libraries() -> Path:
    """The folder with the libraries of Debian's protoc and its plugin."""
    return next((Path(JAVA) / "usr/lib").glob("*-linux-gnu"))


async def protoc(*words: str) -> None:
    """Run Debian's protoc with the plugin for gRPC, in the folder of the protos."""
    system = Path(JAVA) / "usr"
    plugin = f"--plugin=protoc-gen-grpc-java={system / 'bin/grpc_java_plugin'}"
    await run(
        system / "bin/protoc", "-I.", f"-I{system / 'include'}", plugin, *words,
        cwd=ROOT / "protos", LD_LIBRARY_PATH=str(libraries()),
    )  # fmt: skip
