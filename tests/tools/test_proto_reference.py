"""The reference of the protos: every service, message, enum and field, with its comment."""

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto

from tools.proto_reference import pages, read_protos


@pytest.fixture(scope="module")
def files() -> list[FileDescriptorProto]:
    return read_protos()


def test_pages_describe_every_message_enum_and_method(files: list[FileDescriptorProto]) -> None:
    reference = pages(files)
    assert "speech" in reference
    for file in files:
        page = reference[file.name.rpartition("/")[2].removesuffix(".proto")]
        for kind in (*file.message_type, *file.enum_type, *file.service):
            assert f"## {kind.name}\n" in page
        for service in file.service:
            for method in service.method:
                assert f"### {service.name}.{method.name}\n" in page


def test_pages_list_every_field_with_its_comment(files: list[FileDescriptorProto]) -> None:
    reference = pages(files)
    for file in files:
        page = reference[file.name.rpartition("/")[2].removesuffix(".proto")]
        for message in file.message_type:
            for field in message.field:
                assert f"| `{field.name}` |" in page
    rows = [line for page in reference.values() for line in page.splitlines() if line[:3] == "| `"]
    assert all(row.split(" | ")[-1].strip(" |") for row in rows), "a field without a comment"


def test_pages_link_types_across_files(files: list[FileDescriptorProto]) -> None:
    speech = pages(files)["speech"]
    assert "[SynthesizeRequest](#synthesizerequest)" in speech
    assert "[HistoryPrompt](common.md#historyprompt)" in speech
