"""Markdown pages from the comments of protos/barkserve/v1, one page per file.

Usage: ``python -m tools.proto_reference`` prints all pages. The docs site has them in reference/.
"""

import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
    MethodDescriptorProto,
)

ROOT = Path(__file__).resolve().parent.parent
BUF = Path(sys.executable).with_name("buf")
PACKAGE = "barkserve.v1"

# Field numbers in descriptor.proto: the path of a comment is made of them.
MESSAGES, ENUMS, SERVICES, SYNTAX = 4, 5, 6, 12
MESSAGE_FIELDS, NESTED_MESSAGES, NESTED_ENUMS = 2, 3, 4
METHODS, ENUM_VALUES = 2, 2

TypePages = dict[str, str]
"""The page that describes each message and enum, by its full name."""


def read_protos() -> list[FileDescriptorProto]:
    """Return the descriptors of our own proto files, with their comments."""
    command = [str(BUF), "build", "--as-file-descriptor-set", "--output", "-"]
    built = subprocess.run(command, cwd=ROOT / "protos", check=True, capture_output=True)
    files = FileDescriptorSet.FromString(built.stdout).file
    return [file for file in files if file.package == PACKAGE]


def pages(files: list[FileDescriptorProto]) -> dict[str, str]:
    """Return the Markdown page of each proto file, by page name such as ``speech``."""
    types = {
        name: _page_name(file)
        for file in files
        for name in _type_names(f".{file.package}", file.message_type, file.enum_type)
    }
    return {_page_name(file): _Page(file, types).markdown() for file in files}


def _page_name(file: FileDescriptorProto) -> str:
    return Path(file.name).stem


def _type_names(
    scope: str, messages: Iterable[DescriptorProto], enums: Iterable[EnumDescriptorProto]
) -> Iterator[str]:
    for enum in enums:
        yield f"{scope}.{enum.name}"
    for message in messages:
        name = f"{scope}.{message.name}"
        yield name
        yield from _type_names(name, message.nested_type, message.enum_type)


class _Page:
    """One proto file on its way to Markdown."""

    def __init__(self, file: FileDescriptorProto, types: TypePages) -> None:
        self._file = file
        self._types = types
        self._comments = {
            tuple(location.path): location
            for location in file.source_code_info.location
            if location.leading_comments or location.leading_detached_comments
        }

    def markdown(self) -> str:
        file = self._file
        parts = [
            f"# {file.name.rpartition('/')[2]}",
            self._file_comment(),
            f"Package `{file.package}`.",
        ]
        for number, service in enumerate(file.service):
            parts += [f"## {service.name}", self._comment(SERVICES, number)]
            for index, method in enumerate(service.method):
                parts += [f"### {service.name}.{method.name}", self._signature(method)]
                parts.append(self._comment(SERVICES, number, METHODS, index))
        for number, message in enumerate(file.message_type):
            parts += self._message(message, message.name, MESSAGES, number)
        for number, enum in enumerate(file.enum_type):
            parts += self._enum(enum, enum.name, ENUMS, number)
        return "\n\n".join(part for part in parts if part) + "\n"

    def _file_comment(self) -> str:
        """The comment above the syntax line."""
        location = self._comments.get((SYNTAX,))
        return _prose(location.leading_comments) if location else ""

    def _comment(self, *path: int) -> str:
        location = self._comments.get(path)
        return _prose(location.leading_comments) if location else ""

    def _signature(self, method: MethodDescriptorProto) -> str:
        request = self._linked(method.input_type)
        response = self._linked(method.output_type)
        sent = f"stream of {request}" if method.client_streaming else request
        received = f"stream of {response}" if method.server_streaming else response
        return f"Request: {sent}. Response: {received}."

    def _message(self, message: DescriptorProto, name: str, *path: int) -> Iterator[str]:
        yield f"## {name}"
        yield self._comment(*path)
        if message.field:
            yield _table(
                ("field", "type", "number", "description"),
                [
                    (
                        f"`{field.name}`",
                        self._type(field, message),
                        str(field.number),
                        self._comment(*path, MESSAGE_FIELDS, index),
                    )
                    for index, field in enumerate(message.field)
                ],
            )
        for index, nested in enumerate(message.nested_type):
            if not nested.options.map_entry:
                yield from self._message(
                    nested, f"{name}.{nested.name}", *path, NESTED_MESSAGES, index
                )
        for index, enum in enumerate(message.enum_type):
            yield from self._enum(enum, f"{name}.{enum.name}", *path, NESTED_ENUMS, index)

    def _enum(self, enum: EnumDescriptorProto, name: str, *path: int) -> Iterator[str]:
        yield f"## {name}"
        yield self._comment(*path)
        yield _table(
            ("value", "number", "description"),
            [
                (f"`{value.name}`", str(value.number), self._comment(*path, ENUM_VALUES, index))
                for index, value in enumerate(enum.value)
            ],
        )

    def _type(self, field: FieldDescriptorProto, message: DescriptorProto) -> str:
        """The type, with ``repeated``, ``optional``, its oneof, or the types of a map."""
        if field.type_name:
            entry = next(
                (
                    nested
                    for nested in message.nested_type
                    if nested.options.map_entry
                    and field.type_name.endswith(f".{message.name}.{nested.name}")
                ),
                None,
            )
            if entry is not None:
                key, value = entry.field
                return f"map of {self._type(key, entry)} to {self._type(value, entry)}"
            name = self._linked(field.type_name)
        else:
            name = FieldDescriptorProto.Type.Name(field.type).removeprefix("TYPE_").lower()
        if field.label == FieldDescriptorProto.LABEL_REPEATED:
            return f"repeated {name}"
        if field.proto3_optional:
            return f"optional {name}"
        if field.HasField("oneof_index"):
            return f"{name}, one of `{message.oneof_decl[field.oneof_index].name}`"
        return name

    def _linked(self, type_name: str) -> str:
        """A type's short name, linked to its description if that is one of our pages."""
        short = type_name.removeprefix(f".{PACKAGE}.")
        page = self._types.get(type_name)
        if page is None:
            return f"`{type_name.removeprefix('.')}`"
        anchor = short.lower().replace(".", "")
        target = "" if page == _page_name(self._file) else f"{page}.md"
        return f"[{short}]({target}#{anchor})"


def _prose(comment: str) -> str:
    """A comment's lines without their indentation."""
    return "\n".join(line.strip() for line in comment.strip().splitlines())


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(
        "| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in line) + " |"
        for line in lines
    )


if __name__ == "__main__":
    print("\n".join(pages(read_protos()).values()))
