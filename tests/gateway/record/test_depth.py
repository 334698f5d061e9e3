"""How deep a text is nested is counted before it is read, whatever stands in its strings."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import JsonError
from gateway.record.canonical import load_strict

MAX = 3
TEXTS = st.text(alphabet='[]{}"\\ax,:', max_size=8)
VALUES = st.recursive(
    TEXTS | st.integers(0, 9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=12,
)


def _depth(value: object) -> int:
    if isinstance(value, dict):
        return 1 + max(map(_depth, value.values()), default=0)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    if isinstance(value, list):
        return 1 + max(map(_depth, value), default=0)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    return 0


@given(VALUES)
def test_brackets_in_strings_and_keys_do_not_count_and_all_others_do(value: object) -> None:
    text = json.dumps(value).encode()
    if _depth(value) <= MAX:
        assert load_strict(text, max_bytes=100_000, max_depth=MAX) == value
    else:
        with pytest.raises(JsonError, match="nested more than 3 levels"):
            load_strict(text, max_bytes=100_000, max_depth=MAX)


@pytest.mark.parametrize(
    "text",
    [
        b'["[[[[", [[[1]]]]',
        b'{"]]]]": [[[1]]]}',
        b'["\\"", [[[1]]]]',
        b'["\\\\", [[[1]]]]',
        b'["]]]\\"]]]", [[[1]]]]',
        b'[[[[1]]], "x]]]]"]',
    ],
)
def test_a_string_with_brackets_hides_no_depth(text: bytes) -> None:
    with pytest.raises(JsonError, match="nested more than 3 levels"):
        load_strict(text, max_bytes=1000, max_depth=MAX)


@pytest.mark.parametrize("text", [b'["[[[[[[[[', b'["a" "[[[[[[[[', b'"[[[[[[[[', b'"\\"[[[[[[[['])
def test_a_string_without_an_end_is_no_json_and_not_deep(text: bytes) -> None:
    with pytest.raises(JsonError, match="not JSON"):
        load_strict(text, max_bytes=1000, max_depth=MAX)


def test_a_text_of_brackets_alone_never_reaches_the_parser() -> None:
    for bracket in (b"[", b'{"a":'):
        with pytest.raises(JsonError, match="nested more than 32 levels"):
            load_strict(bracket * 500_000, max_bytes=10_000_000)
