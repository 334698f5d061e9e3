"""The strict JSON reader and the bytes of RFC 8785."""

import json
import re
import time
from collections.abc import Callable
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import Any, cast

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import CanonicalFormError, JsonError
from gateway.record.canonical import (
    canonicalise,
    check_canonical,
    is_plain,
    load_strict,
    spell_plain,
)

LIMIT = 1024 * 1024


def load(text: str | bytes, **options: Any) -> object:
    data = text.encode() if isinstance(text, str) else text
    return load_strict(data, max_bytes=LIMIT, **options)


# --- writing -------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["arrays", "french", "structures", "unicode"])
def test_published_canonical_forms_are_met_or_refused(vectors: Path, name: str) -> None:
    source = (vectors / "jcs" / "input" / f"{name}.json").read_bytes()
    expected = (vectors / "jcs" / "output" / f"{name}.json").read_bytes()
    value = json.loads(source)
    assert rfc8785.dumps(value) == expected
    if name == "structures":  # it has 56.0: no fractions here
        with pytest.raises(CanonicalFormError, match="float"):
            canonicalise(value)
    else:
        assert canonicalise(value) == expected


KEYS = st.text() | st.sampled_from(["\ue000", "\U0001f600", "\u20ac", "\r", "1", "\x80", "A", "a"])
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(),
    lambda below: st.lists(below, max_size=4) | st.dictionaries(KEYS, below, max_size=4),
    max_leaves=12,
)


@given(JSON)
def test_the_fast_form_is_the_form_of_the_library(value: Any) -> None:
    assert canonicalise(value) == rfc8785.dumps(value)


def test_keys_are_sorted_by_utf16_unit_and_not_by_code_point() -> None:
    # U+1F600 begins with the unit D83D, which stands before E000.
    assert canonicalise({"\ue000": 1, "\U0001f600": 2}) == '{"\U0001f600":2,"\ue000":1}'.encode()
    assert canonicalise([{"a": {"\ue000": 1, "\U0001f600": 2}}]).index(b":2") < 20


class Word(StrEnum):
    ONE = "one"


class Text(str):
    __slots__ = ()


def _cycle() -> list[object]:
    ring: list[object] = []
    ring.append(ring)
    return ring


def _deep(depth: int) -> object:
    value: object = 1
    for _ in range(depth):
        value = [value]
    return value


NO_CANONICAL_FORM: dict[str, object] = {
    "float": 1.5,
    "whole float": 1.0,
    "not a number": float("nan"),
    "infinite": float("inf"),
    "2^53": 2**53,
    "-2^53": -(2**53),
    "number as key": {1: "a"},
    "truth as key": {True: "a"},
    "nothing as key": {None: "a"},
    "lone surrogate": "\ud800",
    "lone surrogate in a key": {"\udc00": 1},
    "lone surrogate beside a wide key": {"\u20ac": "\ud800"},
    "bytes": b"a",
    "set": {1},
    "enumeration": Word.ONE,
    "string of another class": Text("a"),
    "a cycle": _cycle(),
    "33 levels": _deep(33),
}


@pytest.mark.parametrize("name", NO_CANONICAL_FORM)
def test_what_has_no_canonical_form_is_refused(name: str) -> None:
    for value in (NO_CANONICAL_FORM[name], {"a": [NO_CANONICAL_FORM[name]]}):
        with pytest.raises(CanonicalFormError) as caught:
            canonicalise(value)
        assert caught.value.reason == "not-canonical"


def test_the_largest_integer_and_depth_have_a_form() -> None:
    assert canonicalise(2**53 - 1) == b"9007199254740991"
    assert canonicalise(_deep(32)) == b"[" * 32 + b"1" + b"]" * 32


@given(JSON)
def test_canonical_bytes_read_back(value: Any) -> None:
    data = canonicalise(value)
    with suppress(JsonError):  # control characters have a form, and are not read
        assert check_canonical(data, max_bytes=LIMIT) == value


OTHER_SPELLINGS: dict[str, str] = {
    "space": '{"a": 1}',
    "final newline": '{"a":1}\n',
    "keys out of order": '{"b":1,"a":2}',
    "escaped letter": '{"\\u0061":1}',
    "escaped slash": '"\\/"',
    "escape in capitals": '"\\u000A"',
    "minus zero": "-0",
    "keys by code point": '{"\ue000":1,"\U0001f600":2}',
}


@pytest.mark.parametrize("name", OTHER_SPELLINGS)
def test_the_same_value_spelled_otherwise_is_not_canonical(name: str) -> None:
    load(OTHER_SPELLINGS[name])
    with pytest.raises(CanonicalFormError):
        check_canonical(OTHER_SPELLINGS[name].encode(), max_bytes=LIMIT)


# --- reading -------------------------------------------------------------------------

REFUSED: dict[str, tuple[str | bytes, str, str]] = {
    "duplicate key": ('{"a":{"b":1,"b":1}}', "duplicate", "/a/b"),
    "duplicate key, first true": ('[{"x":true,"x":false}]', "duplicate", "/0/x"),
    "duplicate key by escape": ('{"a":1,"\\u0061":2}', "duplicate", "/a"),
    "duplicate key with slash": ('{"a/b":1,"a/b":2}', "duplicate", "/a~1b"),
    "fraction": ('{"a":[1,1.5]}', "fraction", "/a/1"),
    "whole fraction": ("1.0", "fraction", ""),
    "exponent": ('{"a":1e3}', "fraction", "/a"),
    "not a number": ('{"a":NaN}', "NaN", "/a"),
    "infinite": ("[-Infinity]", "Infinity", "/0"),
    "2^53": ('{"a":9007199254740992}', "2\\^53", "/a"),
    "an integer of a million digits": ("1" * 1_000_000, "2\\^53", ""),
    "lone surrogate": ('{"a":"\\ud800"}', "surrogate", "/a"),
    "lone surrogate in a key": ('{"\\udfff":1}', "surrogate", "/\ufffd"),
    "NUL": ('{"a":"\\u0000"}', "control", "/a"),
    "NUL in a key": ('{"a\\u0000":1}', "control", "/a\ufffd"),
    "escape character": ('["\\u001b"]', "control", "/0"),
    "backspace": ('["\\b"]', "control", "/0"),
    "carriage return": ('["\\r"]', "control", "/0"),
    "delete": ('["\x7f"]', "control", "/0"),
    "next line": ('["\x85"]', "control", "/0"),
    "string too long": (f'{{"a":"{"x" * 65_537}"}}', "longer", "/a"),
    "string too long in bytes": ('["' + "\u20ac" * 21_846 + '"]', "longer", "/0"),
    "key too long": (f'{{"{"k" * 65_537}":1}}', "longer", "/" + "k" * 256),
    "too many keys": (json.dumps({str(i): 0 for i in range(10_001)}), "keys", ""),
    "too many keys together": (json.dumps([{"a": 0}] * 10_001), "keys", ""),
    "33 levels": ("[" * 33 + "]" * 33, "levels", ""),
    "33 levels of objects": ('{"a":' * 33 + "1" + "}" * 33, "levels", ""),
    "100,000 levels": ("[" * 100_000, "levels", ""),
    "100,000 levels of objects": ('{"a":' * 100_000, "levels", ""),
    "deep behind a quote": ('["\\"",' * 33 + "1" + "]" * 33, "levels", ""),
    "byte order mark": (b"\xef\xbb\xbf{}", "byte order", ""),
    "UTF-16": ("{}".encode("utf-16"), "UTF-8", ""),
    "not UTF-8": (b'"\xff"', "UTF-8", ""),
    "overlong UTF-8": (b'"\xc0\x80"', "UTF-8", ""),
    "surrogate in UTF-8": (b'"\xed\xa0\x80"', "UTF-8", ""),
    "trailing garbage": ("{} {}", "extra data", ""),
    "trailing NUL": (b"{}\x00", "extra data", ""),
    "trailing comma": ("[1,]", "not JSON", ""),
    "comment": ("{} // end", "not JSON", ""),
    "single quotes": ("{'a':1}", "not JSON", ""),
    "raw newline in a string": ('"a\nb"', "not JSON", ""),
    "leading zero": ("[01]", "not JSON", ""),
    "plus sign": ("[+1]", "not JSON", ""),
    "nothing": ("", "not JSON", ""),
    "unclosed": ('{"a":[1', "not JSON", ""),
    "closed too often": ("[1]" + "]" * 100, "not JSON", ""),
    "refused, then broken": ('{"a":1.5', "fraction", ""),
    "too long": (b" " * (LIMIT + 1), "longer", ""),
}


@pytest.mark.parametrize("name", REFUSED)
def test_bad_json_is_refused_at_its_place_and_quickly(name: str) -> None:
    text, words, pointer = REFUSED[name]
    started = time.perf_counter()
    with pytest.raises(JsonError, match=words) as caught:
        load(text)
    assert time.perf_counter() - started < 1
    assert caught.value.pointer == pointer
    assert caught.value.reason == "json-malformed"


READ: dict[str, tuple[str, object]] = {
    "tab and newline in a string": ('"a\\t\\n"', "a\t\n"),
    "a pair of surrogates": ('"\\ud83d\\ude00"', "\U0001f600"),
    "32 levels": ("[" * 32 + "]" * 32, json.loads("[" * 32 + "]" * 32)),
    "brackets in a string": (json.dumps("[" * 1000 + '\\"{'), "[" * 1000 + '\\"{'),
    "brackets in a key": (json.dumps({"{[" * 500: 1}), {"{[" * 500: 1}),
    "a string of 64 KiB": (f'"{"x" * 65_536}"', "x" * 65_536),
    "10,000 keys": (
        json.dumps({str(i): ":" for i in range(10_000)}),
        {str(i): ":" for i in range(10_000)},
    ),
    "an escaped backslash before a u": ('"\\\\u0000"', "\\u0000"),
    "white space around": (" \t\r\n{} ", {}),
    "the largest integers": (
        "[9007199254740991,-9007199254740991]",
        [9007199254740991, -9007199254740991],
    ),
}


@pytest.mark.parametrize("name", READ)
def test_good_json_is_read(name: str) -> None:
    text, value = READ[name]
    assert load(text) == value


def test_limits_are_the_callers_own() -> None:
    for text, options in [("[[1]]", {"max_depth": 1}), ('{"a":1,"b":2}', {"max_keys": 1})]:
        load(text)
        with pytest.raises(JsonError):
            load(text, **options)
    with pytest.raises(JsonError):
        load('"abc"', max_string=2)


def test_fractions_are_read_on_demand_where_finite() -> None:
    assert load("[1.5,1e3]", floats=True) == [1.5, 1000.0]
    for text in ("1e400", "-1e400", "0." + "1" * 100, "NaN"):
        with pytest.raises(JsonError):
            load(text, floats=True)


QUADRATIC: dict[str, Callable[[int], bytes]] = {
    "escaped quotes in an open string": lambda n: b"[" * 33 + b'"' + b'\\"' * n,
    "open strings": lambda n: b"[" * 33 + b'"a' * n,
    "backslashes": lambda n: b"[" * 33 + b'"' + b"\\" * n,
    "brackets": lambda n: b"[]" * n,
    "brackets that fit nothing": lambda n: b"[" * 20 + b"][" * n,
    "brackets inside each other": lambda n: (b"[" * 30 + b"]" * 30) * (n // 60),
    "duplicates": lambda n: b"[" + b'{"a":1,"a":1},' * (n // 8) + b"1]",
    "long keys": lambda n: b'{"' + b"k" * n + b'":{"' + b"k" * n + b'":"\\u0000"}}',
}


@pytest.mark.parametrize("name", QUADRATIC)
def test_time_grows_with_the_length_and_not_with_its_square(name: str) -> None:
    data = QUADRATIC[name](100_000)
    started = time.perf_counter()
    with suppress(JsonError):
        load(data)
    assert time.perf_counter() - started < 2


def too_deep(text: str, most: int) -> bool:
    """As it is counted by hand, of a text without escapes."""
    depth = 0
    for bracket in re.sub('"[^"]*"?', "", text):
        depth += (bracket in "[{") - (bracket in "]}")
        if depth > most:
            return True
    return False


BRACKETS = st.lists(st.sampled_from([*'[]{}"', "[]", "{}", '""', '"]"', '"["', "[[", "]]", ","]))


@given(BRACKETS.map("".join), st.integers(0, 4))
def test_the_depth_is_what_it_is_counted_by_hand(text: str, most: int) -> None:
    refusals: list[str] = []
    for value in (text, text + '"\\'):  # the second in the way of texts with an escape
        try:
            load(value, max_depth=most)
        except JsonError as error:
            refusals.append(str(error))
        else:
            refusals.append("")
    deep = [refusal.startswith("nested more") for refusal in refusals]
    assert deep == [too_deep(text, most)] * 2


@pytest.mark.parametrize("beside", ["[]", "[[[]]]", '"[["', '"]]"', '"]","["', "1"])
def test_one_level_too_many_is_found_among_many_that_are_not(beside: str) -> None:
    fits, too_many = "[" * 3 + "]" * 3, "[" * 4 + "]" * 4
    many = ",".join([beside] * 50)
    assert load(f"[{many},{fits},{many}]", max_depth=4)
    with pytest.raises(JsonError, match="nested more than 4"):
        load(f"[{many},{too_many},{many}]", max_depth=4)


@given(st.binary())
def test_arbitrary_bytes_raise_only_our_error(data: bytes) -> None:
    with suppress(JsonError):
        load(data)


PIECES = st.sampled_from(
    ['"', "\\", "{", "}", "[", "]", ":", ",", "1", "-", ".", "e", "\\u", "d800", "a", "NaN", " "]
)


@given(st.lists(PIECES).map("".join))
def test_arbitrary_pieces_are_read_as_the_standard_reader_does_or_refused(text: str) -> None:
    try:
        value = load(text)
    except JsonError:
        return
    assert value == json.loads(text)


def has_bad_character(value: object) -> bool:
    return any((ord(c) < 32 and c not in "\t\n") or 127 <= ord(c) < 160 for c in _texts(value))


def _texts(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        members = cast("dict[str, object]", value)
        return "".join(members) + "".join(map(_texts, members.values()))
    return "".join(map(_texts, cast("list[object]", value))) if isinstance(value, list) else ""


@given(JSON)
def test_what_is_written_is_read_unless_it_has_a_control_character(value: Any) -> None:
    for text in (json.dumps(value), json.dumps(value, ensure_ascii=False)):
        if has_bad_character(value):
            with pytest.raises(JsonError, match="control character"):
                load(text)
        else:
            assert load(text) == value


# --- plain texts -----------------------------------------------------------------------

# A backslash before a `u` would make an escape of what is none, which is not plain either.
PLAIN = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E, exclude_characters="\\"))
PLAIN_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | PLAIN,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(PLAIN, inner, max_size=4),
    max_leaves=12,
)


@given(PLAIN_VALUES)
def test_a_plain_text_has_the_form_of_any_other(value: Any) -> None:
    text = json.dumps(value).encode()
    assert is_plain(text)
    read = load_strict(text, max_bytes=10_000)
    assert spell_plain(read).encode() == canonicalise(read)


@pytest.mark.parametrize(
    "text",
    [
        '{"\U0001f600":1,"\uff61":2}'.encode(),  # sorted otherwise than by code point
        b'{"\\ud83d\\ude00":1,"\\uff61":2}',
        b'"\\u0041"',
        "\u20ac".encode(),
        b'{"a":"\xc2\x80"}',
    ],
)
def test_what_can_hold_more_than_ascii_is_not_plain(text: bytes) -> None:
    assert not is_plain(text)


MANY = {
    "numbers": b"[" + b"1," * 1000 + b"1]",
    "empty objects": b"[" + b"{}," * 500 + b"1]",
    "lists in lists": b"[" + b"[[[[]]]]," * 200 + b"1]",
    "members": b"{" + b",".join(b'"%d":1' % number for number in range(1001)) + b"}",
    "texts": b"[" + b'"",' * 1000 + b"1]",
}


@pytest.mark.parametrize("name", MANY)
def test_too_many_values_are_refused_before_one_is_read(name: str) -> None:
    with pytest.raises(JsonError, match="more than 999 values"):
        load(MANY[name], max_values=999)
    load(MANY[name], max_values=1010)
    load(MANY[name])


@pytest.mark.parametrize("text", ["," * 5000, "[" * 5000, '\\"{' * 2000, "\\\\,"])
def test_what_stands_in_a_text_is_no_value(text: str) -> None:
    load(f'["{text}"]', max_values=1)


@pytest.mark.parametrize("escaped", [False, True])
@pytest.mark.parametrize("beside", ["", "\u20ac"])
def test_control_characters_are_refused_whatever_else_is_in_the_text(
    beside: str, escaped: bool
) -> None:
    for code in range(0x100):
        is_refused = (code < 0x20 and chr(code) not in "\t\n") or 0x7F <= code < 0xA0
        written = f"\\u{code:04x}" if escaped or code < 0x20 or chr(code) in '"\\' else chr(code)
        text = f'["{beside}", {{"{written}": 1}}]'
        if is_refused:
            with pytest.raises(JsonError, match="control character"):
                load(text)
        else:
            assert load(text) == [beside, {chr(code): 1}]
