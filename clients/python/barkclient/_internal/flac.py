"""Sets the length in a FLAC header, which a streaming encoder leaves open. It contains no codec."""

HEAD_BYTES = 26
"""Number of bytes at the start of a file that include its length."""

_MAGIC = b"fLaC"
_FIELDS = 18  # offset of sample rate, channels, bits and length: 64 bits
_LENGTH_BITS = 36


def with_length(head: bytes, sample_count: int) -> bytes:
    """Set the length in the first HEAD_BYTES of a file.

    Returns:
        The changed bytes. `head` itself if it is not from a FLAC file or the count is too large.
    """
    if not head.startswith(_MAGIC) or len(head) != HEAD_BYTES or sample_count >> _LENGTH_BITS:
        return head
    others = int.from_bytes(head[_FIELDS:], "big") >> _LENGTH_BITS << _LENGTH_BITS
    fields = others | sample_count
    return head[:_FIELDS] + fields.to_bytes(HEAD_BYTES - _FIELDS, "big")
