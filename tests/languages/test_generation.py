"""Generated code: the committed Go code, and what protos/buf.gen.yaml writes for users."""

import os
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.languages.go import GO, MODULE, ROOT, run
from tests.languages.java import JAVA, libraries

BUF = Path(sys.executable).with_name("buf")
TEMPLATE = ROOT / "protos/buf.gen.yaml"
GO_CODE = "barkserve/v1"
pytestmark = pytest.mark.skipif(
    not (GO and JAVA), reason="plugins are missing: make test-clients installs them"
)


async def generate(folder: Path, template: Path, out: Path) -> None:
    """Run `buf generate` with the plugins of `make test-clients`."""
    path = os.pathsep.join([str(Path(GO).parent), os.environ["PATH"]])
    words = ("generate", "--template", template, "-o", out)
    await run(BUF, *words, cwd=folder, PATH=path, LD_LIBRARY_PATH=str(libraries()))


def with_local_plugins() -> dict[str, Any]:
    """The template without the plugins that only buf.build has."""
    programs = Path(JAVA) / "usr/bin"
    local: dict[str, dict[str, Any]] = {
        "buf.build/protocolbuffers/go": {"local": "protoc-gen-go"},
        "buf.build/grpc/go": {"local": "protoc-gen-go-grpc"},
        "buf.build/protocolbuffers/java": {"protoc_builtin": "java"},
        "buf.build/grpc/java": {"local": str(programs / "grpc_java_plugin")},
        "buf.build/protocolbuffers/csharp": {"protoc_builtin": "csharp"},
        "buf.build/protocolbuffers/python": {"protoc_builtin": "python"},
    }
    template: dict[str, Any] = yaml.safe_load(TEMPLATE.read_text())
    plugins = [plugin for plugin in template["plugins"] if plugin["remote"] in local]
    assert len(plugins) == len(local)
    for plugin in plugins:
        plugin |= local[plugin.pop("remote")]
        plugin["out"] = plugin["out"].removeprefix("../build/generated/")
        if "protoc_builtin" in plugin:
            plugin["protoc_path"] = str(programs / "protoc")
    return template | {"plugins": plugins}


def go_files(folder: Path) -> dict[str, str]:
    """The generated files of a folder."""
    return {file.name: file.read_text() for file in (folder / GO_CODE).glob("*.go")}


async def test_committed_go_code_equals_the_protos(tmp_path: Path) -> None:
    await generate(MODULE, MODULE / "buf.gen.yaml", tmp_path)
    assert go_files(tmp_path) == go_files(MODULE)


async def test_template_for_users_writes_code(tmp_path: Path) -> None:
    template = tmp_path / "buf.gen.yaml"
    template.write_text(yaml.safe_dump(with_local_plugins()))
    await generate(ROOT / "protos", template, tmp_path)
    assert go_files(tmp_path / "go") == go_files(MODULE)
    for file in (
        "java/io/github/barkserve/v1/SpeechServiceGrpc.java",
        "java/io/github/barkserve/v1/SynthesizeRequest.java",
        "csharp/Speech.cs",
        "python/barkserve/v1/speech_pb2.py",
    ):
        assert (tmp_path / file).stat().st_size > 1000
    assert "namespace Barkserve.V1" in (tmp_path / "csharp/Speech.cs").read_text()
