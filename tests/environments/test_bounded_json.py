"""JSON from outside is read to a depth that other code can walk, whichever version of Python reads it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from environments.bounded_json import TooDeep, read_json


def depth_of(value: Any) -> int:
    """Return how many lists and objects are within each other."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(depth_of, inner), default=0)


documents = st.recursive(
    st.none() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=20,
)


@given(documents, st.integers(0, 6))
def test_a_document_is_read_whole_or_refused_by_its_depth(document: Any, most: int) -> None:
    if depth_of(document) <= most:
        assert read_json(json.dumps(document), most) == document
    else:
        with pytest.raises(TooDeep):
            read_json(json.dumps(document), most)


@pytest.mark.parametrize("deep", [101, 500, 900, 5_000, 200_000])
@pytest.mark.parametrize(("start", "end"), [("[", "]"), ('{"a":[', "]}")])
def test_no_depth_reaches_the_end_of_the_stack(start: str, end: str, deep: int) -> None:
    with pytest.raises(TooDeep):
        read_json(start * deep + end * deep)


@pytest.mark.parametrize("text", [b"", b"{", b"\xff", b"[1,]"])
def test_what_is_no_json_is_refused_as_such(text: bytes) -> None:
    with pytest.raises(ValueError) as refused:  # noqa: PT011 (of JSON or of its encoding)
        read_json(text)
    assert not isinstance(refused.value, TooDeep)
