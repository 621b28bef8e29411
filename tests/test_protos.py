"""The committed generated code is what protos/ says, field for field, and every field says what it
is.
"""

import itertools
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest
from google.protobuf import descriptor_pb2

from barkserve.external import riva_pb2, riva_tts_pb2
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
MODULES = {
    "v1/common": common_pb2,
    "v1/semantic": semantic_pb2,
    "v1/coarse": coarse_pb2,
    "v1/fine": fine_pb2,
    "v1/codec": codec_pb2,
    "v1/speech": speech_pb2,
    "v1/status": status_pb2,
    "v1/autoscaler": autoscaler_pb2,
    "external/riva": riva_pb2,
    "external/riva_tts": riva_tts_pb2,
}


def clear_json_names(messages: Iterable[descriptor_pb2.DescriptorProto]) -> None:
    """Clear what buf writes and protoc does not."""
    for message in messages:
        for field in message.field:
            field.ClearField("json_name")
        clear_json_names(message.nested_type)


@pytest.mark.parametrize("name", MODULES)
def test_generated_descriptors_equal_the_protos(name: str, tmp_path: Path) -> None:
    compiled = tmp_path / "compiled.binpb"
    buf = Path(sys.executable).with_name("buf")
    path = f"barkserve/{name}.proto"
    words = [str(buf), "build", ".", "--path", path, "--exclude-source-info", "-o", str(compiled)]
    subprocess.run(words, cwd=ROOT / "protos", check=True)
    files = descriptor_pb2.FileDescriptorSet.FromString(compiled.read_bytes()).file
    (expected,) = (file for file in files if file.name == path)
    committed = descriptor_pb2.FileDescriptorProto.FromString(
        MODULES[name].DESCRIPTOR.serialized_pb
    )
    for file in (expected, committed):
        clear_json_names(file.message_type)
    expected.DiscardUnknownFields()
    assert committed == expected


@pytest.mark.parametrize("name", MODULES)
def test_every_line_that_declares_is_commented(name: str) -> None:
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
