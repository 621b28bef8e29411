"""Hypothesis strategies for the wire bytes of any message, from its descriptor.

They write the wire format themselves, because the protobuf library refuses to write most of what a
hostile client can send: strings that are not UTF-8, unknown fields, wrong wire types.
"""

import struct

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from hypothesis import strategies as st

Field = FieldDescriptor

WORDS = (
    *("", "a", "b", "Hello there.", "One. Two! Three?", "en", "en-US", "slt", "none", "v2/slt"),
    *("coarse", "orchestrator", "stage", "true", "barkserve.v1.SpeechService", "x" * 129),
)
"""Strings with a meaning in some field, so that requests also reach the code after the checks."""

_MAX_DEPTH = 4
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_64_BITS = (1 << 64) - 1
_INTEGERS = (0, 1, 2, -1, 127, 128, 1000, 24_000, 2**31 - 1, -(2**31), 2**32, 2**63 - 1, -(2**63))
_FLOATS = (0.0, -0.0, 0.5, 1.0, -1.0, 1e-45, 1e38, float("inf"), float("-inf"), float("nan"))
_ODD_UTF8 = (
    "\0",
    "\ufeff",
    "\u202e",
    "🤖" * 3,
    "e\u0301" * 9,
    "ﷺ",
    "[",
    "»",
    "\u2028",
    "\U0010ffff",
)
_NOT_UTF8 = (b"\xed\xa0\x80", b"\xc0\x80", b"\xff", b"\xf4\x90\x80\x80")  # the first: a surrogate
_REPEATS = (1, 1, 1, 1, 7, 2_000, 100_000)


def messages(descriptor: Descriptor) -> st.SearchStrategy[bytes]:
    """The bytes of messages: most are valid, some have odd values, some are damaged."""
    plausible, odd = _message(descriptor, _plausible, 0), _message(descriptor, _odd, 0)
    return st.one_of(plausible, plausible, odd, odd, _damaged(odd))


def plausible_messages(descriptor: Descriptor) -> st.SearchStrategy[bytes]:
    """The bytes of valid messages with everyday values."""
    return _message(descriptor, _plausible, 0)


def large_messages(descriptor: Descriptor, total_bytes: int) -> list[bytes]:
    """One large message for each field of a message and of those inside it.

    Args:
        descriptor: the message's.
        total_bytes: the approximate size of each.
    """
    return list(_large(descriptor, total_bytes, 0))


def empty_config(descriptor: Descriptor) -> bytes:
    """The message that opens a stream, with default options; empty if streams have none."""
    config = descriptor.fields_by_name.get("config")
    return _field(config.number, _BYTES, b"") if config else b""


def _large(descriptor: Descriptor, size: int, depth: int):
    for field in descriptor.fields:
        if field.type == Field.TYPE_MESSAGE:
            if field.is_repeated:
                yield _field(field.number, _BYTES, b"") * (size // 2)
            if depth < _MAX_DEPTH:
                for inner in _large(field.message_type, size, depth + 1):
                    yield _field(field.number, _BYTES, inner)
        elif field.type in (Field.TYPE_STRING, Field.TYPE_BYTES):
            for piece in (b" ", b"[", b".", b"a.", b"1,", b"z", "é".encode(), "你".encode()):
                yield _field(field.number, _BYTES, piece * (size // len(piece)))
        elif field.is_repeated:
            yield _field(field.number, _BYTES, b"\x01" * size)


@st.composite
def _message(draw, descriptor: Descriptor, values, depth: int) -> bytes:
    """Some of the fields in any order; of a oneof at most one if the values are plausible."""
    fields = [
        field
        for field in descriptor.fields
        if depth < _MAX_DEPTH or field.type != Field.TYPE_MESSAGE
    ]
    if not fields:
        return b""
    chosen = draw(st.lists(st.sampled_from(fields), max_size=6, unique_by=_oneof_or_number))
    parts = [draw(_one_field(field, values, depth)) for field in chosen]
    if values is _odd and draw(st.integers(0, 4)) == 0:
        parts += [draw(_one_field(field, values, depth)) for field in chosen[:1]]  # a second value
        parts.append(_field(draw(st.integers(1, 2**29 - 1)), _BYTES, b"unknown"))
    return b"".join(parts)


def _oneof_or_number(field: Field) -> object:
    return field.containing_oneof.full_name if field.containing_oneof else field.number


@st.composite
def _one_field(draw, field: Field, values, depth: int) -> bytes:
    def encoded() -> bytes:
        if field.type == Field.TYPE_MESSAGE:
            return _field(
                field.number, _BYTES, draw(_message(field.message_type, values, depth + 1))
            )
        wire_type, data = draw(values(field))
        return _field(field.number, wire_type, data)

    if not field.is_repeated:
        return encoded()
    if field.type in (Field.TYPE_STRING, Field.TYPE_BYTES, Field.TYPE_MESSAGE):
        return b"".join(encoded() for _ in range(draw(st.integers(0, 3))))
    number = st.integers(0, 60) if values is _plausible else st.sampled_from(_INTEGERS)
    numbers = draw(st.lists(number, max_size=20))
    packed = b"".join(map(_varint, numbers)) * draw(st.sampled_from(_REPEATS))
    return _field(field.number, _BYTES, packed[: 1 << 20])


def _plausible(field: Field) -> st.SearchStrategy[tuple[int, bytes]]:
    match field.type:
        case Field.TYPE_STRING:
            return st.sampled_from(WORDS).map(lambda word: (_BYTES, word.encode()))
        case Field.TYPE_BYTES:
            return st.sampled_from(WORDS).map(lambda word: (_BYTES, word.encode()))
        case Field.TYPE_FLOAT:
            return st.sampled_from((0.2, 0.7, 1.0)).map(lambda x: (_FIXED32, struct.pack("<f", x)))
        case Field.TYPE_DOUBLE:
            return st.sampled_from((0.2, 0.7, 1.0)).map(lambda x: (_FIXED64, struct.pack("<d", x)))
        case Field.TYPE_ENUM:
            numbers = sorted(value.number for value in field.enum_type.values)
            return st.sampled_from(numbers).map(lambda number: (_VARINT, _varint(number)))
    return st.sampled_from((0, 1, 2, 8, 50, 8000)).map(lambda number: (_VARINT, _varint(number)))


def _odd(field: Field) -> st.SearchStrategy[tuple[int, bytes]]:
    match field.type:
        case Field.TYPE_STRING | Field.TYPE_BYTES:
            return st.tuples(_odd_bytes(field.type), st.sampled_from(_REPEATS)).map(
                lambda pair: (_BYTES, pair[0] * min(pair[1], (1 << 20) // max(1, len(pair[0]))))
            )
        case Field.TYPE_FLOAT:
            odd = st.sampled_from(_FLOATS) | st.floats(width=32)
            return odd.map(lambda x: (_FIXED32, struct.pack("<f", x)))
        case Field.TYPE_DOUBLE:
            odd = st.sampled_from(_FLOATS) | st.floats()
            return odd.map(lambda x: (_FIXED64, struct.pack("<d", x)))
    odd = st.sampled_from(_INTEGERS) | st.integers(-(2**63), 2**63 - 1)
    return odd.map(lambda number: (_VARINT, _varint(number)))


def _odd_bytes(type_: int) -> st.SearchStrategy[bytes]:
    characters = st.characters(exclude_categories=("Cs",))
    text = st.text(characters, max_size=20) | st.sampled_from((*WORDS, *_ODD_UTF8))
    others = st.sampled_from(_NOT_UTF8) | st.binary(max_size=20)
    encoded = text.map(lambda each: each.encode())
    return encoded | others if type_ == Field.TYPE_BYTES else st.one_of(*[encoded] * 5, others)


@st.composite
def _damaged(draw, valid: st.SearchStrategy[bytes]) -> bytes:
    """A message that was cut, or has some bytes changed or inserted."""
    data = bytearray(draw(valid)[:10_000])
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, len(data)))
        match draw(st.sampled_from(("cut", "change", "insert"))):
            case "cut":
                del data[place:]
            case "change":
                data[place : place + 1] = draw(st.binary(min_size=1, max_size=1))
            case "insert":
                data[place:place] = draw(st.binary(min_size=1, max_size=8))
    return bytes(data)


def _field(number: int, wire_type: int, data: bytes) -> bytes:
    tag = _varint(number << 3 | wire_type)
    return tag + (_varint(len(data)) if wire_type == _BYTES else b"") + data


def _varint(number: int) -> bytes:
    number &= _64_BITS
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)
