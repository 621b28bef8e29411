"""JSON values that no client should send."""

import json
from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

_WORDS = ("", " ", "none", "v2/slt", "v2/../x", "\0", "\ud800", "a" * 5000, "1e999", "\u202e")
_NUMBERS = (0, -1, 1.5, 2**31, 2**63, -(2**63) - 1, 10**400, float("nan"), float("inf"))
_BROKEN = (b"", b"{", b"null", b"[" * 20_000, b"\xff\xfe", b'{"a": 1, "a": 2}', b'"\\ud800"')

_scalars = (
    st.none()
    | st.booleans()
    | st.sampled_from(_NUMBERS)
    | st.sampled_from(_WORDS)
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
)
_values = st.recursive(
    _scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)


def objects(plausible: Mapping[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Objects with some of the fields that an API has, each with a right or a wrong value."""
    kept = st.sets(st.sampled_from(sorted(plausible))).map(
        lambda chosen: {name: plausible[name] for name in sorted(chosen)}
    )
    names = st.sampled_from([*plausible, "unknown", "\u202e", "\ud800\n"])
    wrong = st.dictionaries(names, _values, max_size=2)
    return st.builds(lambda right, other: right | other, kept, wrong)


def encoded(content: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[bytes]:
    """The JSON of objects, and sometimes other bytes."""
    broken = st.sampled_from(_BROKEN) | st.binary(max_size=50)
    return content.map(lambda value: json.dumps(value).encode()) | broken
