"""The generated code equals the protos, and the protos describe every field."""

import itertools
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import google.rpc
import pytest
from google.protobuf import descriptor_pb2

from barkserve.external import (
    externalscaler_pb2,
    orca_load_report_pb2,
    orca_pb2,
    riva_pb2,
    riva_tts_pb2,
)
from barkserve.v1 import (
    autoscaler_pb2,
    coarse_pb2,
    codec_pb2,
    common_pb2,
    fine_pb2,
    semantic_pb2,
    speech_pb2,
    status_pb2,
)

ROOT = Path(__file__).parents[1]
BUF = Path(sys.executable).with_name("buf")
MODULES = {
    "v1/common": common_pb2,
    "v1/semantic": semantic_pb2,
    "v1/coarse": coarse_pb2,
    "v1/fine": fine_pb2,
    "v1/codec": codec_pb2,
    "v1/speech": speech_pb2,
    "v1/status": status_pb2,
    "v1/autoscaler": autoscaler_pb2,
    "external/externalscaler": externalscaler_pb2,
    "external/orca": orca_pb2,
    "external/orca_load_report": orca_load_report_pb2,
    "external/riva": riva_pb2,
    "external/riva_tts": riva_tts_pb2,
}


def clear_json_names(messages: Iterable[descriptor_pb2.DescriptorProto]) -> None:
    """Clear the field that buf writes and protoc does not."""
    for message in messages:
        for field in message.field:
            field.ClearField("json_name")
        clear_json_names(message.nested_type)


def committed_descriptors(name: str) -> Iterator[descriptor_pb2.FileDescriptorProto]:
    """What the generated code was generated from: Python's, and Go's if there is any."""
    yield descriptor_pb2.FileDescriptorProto.FromString(MODULES[name].DESCRIPTOR.serialized_pb)
    go = ROOT / f"clients/go/barkserve/{name}.pb.go"
    if go.exists():
        (raw,) = re.findall(r"_rawDesc = string\(\[\]byte\{(.*?)\}\)", go.read_text(), re.DOTALL)
        data = bytes(int(byte, 16) for byte in re.findall(r"0x(\w\w)", raw))
        yield descriptor_pb2.FileDescriptorProto.FromString(data)


@pytest.mark.parametrize("name", MODULES)
def test_generated_descriptors_equal_the_protos(name: str, tmp_path: Path) -> None:
    compiled = tmp_path / "compiled.binpb"
    path = f"barkserve/{name}.proto"
    command = [BUF, "build", ".", "--path", path, "--exclude-source-info", "-o", compiled]
    subprocess.run(command, cwd=ROOT / "protos", check=True)
    files = descriptor_pb2.FileDescriptorSet.FromString(compiled.read_bytes()).file
    (expected,) = (file for file in files if file.name == path)
    expected.DiscardUnknownFields()
    clear_json_names(expected.message_type)
    for committed in committed_descriptors(name):
        clear_json_names(committed.message_type)
        assert committed == expected


@pytest.mark.parametrize("name", MODULES)
def test_declarations_have_comments(name: str) -> None:
    lines = (ROOT / "protos/barkserve" / f"{name}.proto").read_text().splitlines()
    declares = re.compile(
        r"^\s*(message|enum|service|rpc|optional|repeated|\w[\w.]* \w+ = \d+;|[A-Z_]+ = \d+;)"
    )
    bare = [
        line
        for before, line in itertools.pairwise(lines)
        if declares.match(line) and not before.strip().startswith("//")
    ]
    assert bare == []


def test_modules_are_all_protos() -> None:
    folder = ROOT / "protos/barkserve"
    protos = {str(path.relative_to(folder).with_suffix("")) for path in folder.rglob("*.proto")}
    assert protos == set(MODULES)


@pytest.mark.parametrize("name", MODULES)
def test_generated_code_has_types(name: str) -> None:
    for suffix in ("_pb2", "_pb2_grpc"):
        module = ROOT / f"services/barkserve/{name}{suffix}.py"
        assert module.exists()
        assert module.with_suffix(".pyi").exists()


@pytest.mark.parametrize("name", ["status", "error_details"])
def test_copied_proto_equals_the_package(name: str) -> None:
    installed = Path(next(iter(google.rpc.__path__))) / f"{name}.proto"
    copied = ROOT / f"protos/google/rpc/{name}.proto"
    assert without_comments(copied) == without_comments(installed)


def without_comments(path: Path) -> list[str]:
    """Return the lines of a proto without comments, which change with each release."""
    return [line for line in path.read_text().splitlines() if not line.strip().startswith("//")]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A git repository that holds the protos in one commit."""
    shutil.copytree(ROOT / "protos", tmp_path / "protos")
    git(tmp_path, "init", "--quiet")
    commit(tmp_path)
    return tmp_path


def git(repository: Path, *arguments: str) -> None:
    """Run git as some author."""
    author = ("-c", "user.name=test", "-c", "user.email=test@example.com")
    subprocess.run(["git", *author, *arguments], cwd=repository, check=True)


def commit(repository: Path) -> None:
    """Commit all changes."""
    git(repository, "add", "--all")
    git(repository, "commit", "--quiet", "--no-verify", "-m", "change")


def remove_field(repository: Path) -> None:
    """Remove a field that clients use."""
    proto = repository / "protos/barkserve/v1/speech.proto"
    text = proto.read_text()
    assert text.count("  bool limit_peaks = 6;\n") == 1
    proto.write_text(text.replace("  bool limit_peaks = 6;\n", ""))


def check_breaking(repository: Path) -> subprocess.CompletedProcess[str]:
    """Run the check of breaking changes."""
    return subprocess.run(
        ["sh", "protos/check_breaking.sh", BUF], cwd=repository, capture_output=True, text=True
    )


def test_breaking_check_accepts_anything_before_a_release(repository: Path) -> None:
    remove_field(repository)
    result = check_breaking(repository)
    assert result.returncode == 0
    assert result.stdout == "no release tag: breaking changes are not checked\n"


@pytest.mark.parametrize("committed", [False, True])
def test_breaking_check_refuses_breaking_a_release(repository: Path, committed: bool) -> None:
    git(repository, "tag", "v0.1.0")
    assert check_breaking(repository).returncode == 0
    remove_field(repository)
    if committed:
        commit(repository)
    result = check_breaking(repository)
    assert result.returncode != 0
    assert "limit_peaks" in result.stdout
