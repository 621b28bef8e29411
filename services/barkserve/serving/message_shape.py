"""Refuses large messages that take long to parse. Parsing blocks the event loop.

Parsing text takes 2 ms/MB. The same bytes as millions of tiny fields take up to 40 ms/MB. A message
with a long text or a voice has few fields, so they can be counted first.
"""

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from barkserve.constants import MAX_OPTIONS_BYTES, MAX_VOICE_BYTES
from barkserve.errors import InvalidArgument

MIN_BYTES = 65_536
"""Smaller messages are parsed within a millisecond, whatever they contain."""
MAX_FIELDS = 2000
MAX_NUMBER_BYTES = MAX_VOICE_BYTES + MAX_OPTIONS_BYTES

_FIXED_SIZES = {1: 8, 5: 4}  # by wire type
_OPAQUE = (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES)


def check_shape(data: bytes, kind: Descriptor) -> None:
    """Check that a message has few fields and few numbers.

    Args:
        data: the serialized message. If it is malformed, the parser reports that.
        kind: its type.

    Raises:
        InvalidArgument: it has more than MAX_FIELDS fields, more numbers than a request needs, or
            groups, which no proto3 message has.
    """
    if len(data) < MIN_BYTES:
        return
    try:
        _scan(data, kind)
    except IndexError:
        return  # it ends within a field


def _scan(data: bytes, kind: Descriptor) -> None:
    fields = number_bytes = 0
    parts = [(0, len(data), kind)]  # of the message and of messages in it: start, end, type
    while parts:
        at, end, kind = parts.pop()
        while at < end:
            fields += 1
            tag, at = _varint(data, at)
            known = kind.fields_by_number.get(tag >> 3)
            match tag & 7:
                case 0:  # varint
                    _, at = _varint(data, at)
                case 1 | 5 as fixed:
                    at += _FIXED_SIZES[fixed]
                case 2:  # bytes, text, a message or packed numbers
                    size, at = _varint(data, at)
                    if known is not None and known.message_type is not None:
                        parts.append((at, min(end, at + size), known.message_type))
                    elif known is not None and known.type not in _OPAQUE:
                        number_bytes += size
                    at += size
                case _:
                    raise InvalidArgument("request", "has groups, which proto3 does not have")
            if fields > MAX_FIELDS:
                raise InvalidArgument(
                    "request", f"has more than {MAX_FIELDS} fields in {len(data)} bytes"
                )
            if number_bytes > MAX_NUMBER_BYTES:
                raise InvalidArgument(
                    "request", f"has more than {MAX_NUMBER_BYTES} bytes of packed numbers"
                )


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """The number at a position, and the position after it. Raises IndexError at the end."""
    value = shift = 0
    while shift < 70:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
    raise IndexError
