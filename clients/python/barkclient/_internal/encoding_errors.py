"""Reports values that do not fit into a message as errors of ours."""

from collections.abc import Iterator
from contextlib import contextmanager

from barkclient.errors import InvalidRequest


@contextmanager
def encoding_errors() -> Iterator[None]:
    """Raise InvalidRequest for what protobuf does not take: a huge number, bytes as text."""
    try:
        yield
    except (TypeError, ValueError) as error:
        raise InvalidRequest(f"the request cannot be encoded: {error}") from error
