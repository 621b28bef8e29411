"""The Node.js client's sources agree with the rest of the repository. It needs no Node.js."""

import base64
import json
import re
from dataclasses import fields

import pytest
from google.protobuf import descriptor_pb2
from google.rpc import error_details_pb2, status_pb2

from barkclient import __version__
from barkclient.cli.say_arguments import SayArguments
from barkserve.v1 import common_pb2, speech_pb2
from tests.node.packed import CLIENT, ROOT

MODULES = {
    "barkserve/v1/common": common_pb2,
    "barkserve/v1/speech": speech_pb2,
    "google/rpc/status": status_pb2,
    "google/rpc/error_details": error_details_pb2,
}
ONLY_PYTHON = {"--encoding", "--grpc-proxy", "--json", "--play", "--save-voice", "--timestamps"}


def generated_descriptor(name: str) -> descriptor_pb2.FileDescriptorProto:
    """The contract in generated TypeScript, which contains it in base64."""
    source = (CLIENT / f"src/gen/{name}_pb.ts").read_text()
    match = re.search(r'fileDesc\("([^"]+)"', source)
    assert match is not None
    padded = match[1] + "=" * (-len(match[1]) % 4)
    return descriptor_pb2.FileDescriptorProto.FromString(base64.b64decode(padded))


def without_names_of_languages(
    file: descriptor_pb2.FileDescriptorProto,
) -> descriptor_pb2.FileDescriptorProto:
    """The messages; options of other languages, and names that follow from others, are left out."""
    plain = descriptor_pb2.FileDescriptorProto()
    plain.CopyFrom(file)
    plain.ClearField("dependency")
    plain.ClearField("options")
    messages = list(plain.message_type)
    while messages:
        message = messages.pop()
        messages += message.nested_type
        for field in message.field:
            field.ClearField("json_name")
    return plain


@pytest.mark.parametrize("name", MODULES)
def test_generated_code_equals_the_protos(name: str) -> None:
    """If not: npm run generate in clients/node."""
    expected = descriptor_pb2.FileDescriptorProto()
    MODULES[name].DESCRIPTOR.CopyToProto(expected)
    generated = without_names_of_languages(generated_descriptor(name))
    assert generated == without_names_of_languages(expected)


def test_command_has_the_options_of_the_python_command() -> None:
    """Apart from those that docs/clients.md names."""
    source = (CLIENT / "src/command/arguments.ts").read_text()
    options = set(re.findall(r"^  (?:-\w, )?(--[a-z-]+)", source, re.MULTILINE))
    python = {each.metadata["flags"][-1] for each in fields(SayArguments) if each.name != "text"}
    assert options == python - ONLY_PYTHON
    page = (ROOT / "docs/clients.md").read_text()
    (without,) = re.findall(r"those of the Python command without ([^.]+)\.", page)
    assert set(re.findall(r"`(--[a-z-]+)`", without)) == ONLY_PYTHON


def test_license_is_the_license_of_the_repository() -> None:
    assert (CLIENT / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()


def test_lock_file_names_the_public_registry() -> None:
    lock = json.loads((CLIENT / "package-lock.json").read_text())
    assert lock["version"] == __version__
    sources = {entry.get("resolved", "") for entry in lock["packages"].values()} - {""}
    assert sources
    assert all(source.startswith("https://registry.npmjs.org/") for source in sources)
