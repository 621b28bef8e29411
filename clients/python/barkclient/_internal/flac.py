"""The length in the header of a FLAC file, which an encoder that streams leaves open.

Knows the file's first bytes, and no codec.
"""

HEAD_BYTES = 26
"""As many of the file's first bytes hold its length."""

_MAGIC = b"fLaC"
_FIELDS = 18  # behind magic, block header, block and frame sizes: rate, channels, bits and length
_LENGTH_BITS = 36


def with_length(head: bytes, sample_count: int) -> bytes:
    """A file's first HEAD_BYTES, saying how many samples follow. As they were, if they are no
    FLAC file's or cannot hold so large a number.
    """
    if not head.startswith(_MAGIC) or len(head) != HEAD_BYTES or sample_count >> _LENGTH_BITS:
        return head
    others = int.from_bytes(head[_FIELDS:], "big") >> _LENGTH_BITS << _LENGTH_BITS
    fields = others | sample_count
    return head[:_FIELDS] + fields.to_bytes(HEAD_BYTES - _FIELDS, "big")
