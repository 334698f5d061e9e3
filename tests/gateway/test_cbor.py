"""CBOR: the examples of the standard, hostile bytes, and an independent library beside it."""

import math
from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cbor import MAX_BYTES, CborError, Simple, Tagged, dumps, loads

# RFC 8949, appendix A: those in their deterministic form first.
EXAMPLES: list[tuple[str, Any]] = [
    ("00", 0), ("17", 23), ("1818", 24), ("1903e8", 1000), ("1b000000e8d4a51000", 10**12),
    ("1bffffffffffffffff", 2**64 - 1), ("3bffffffffffffffff", -(2**64)), ("20", -1),
    ("3903e7", -1000), ("f90000", 0.0), ("f93c00", 1.0), ("fb3ff199999999999a", 1.1),
    ("f97bff", 65504.0), ("fa47c35000", 100000.0), ("f9c400", -4.0), ("f97c00", math.inf),
    ("f4", False), ("f5", True), ("f6", None), ("f7", Simple(23)), ("f8ff", Simple(255)),
    ("40", b""), ("4401020304", b"\1\2\3\4"), ("60", ""), ("62c3bc", "ü"), ("80", []),
    ("83010203", [1, 2, 3]), ("8301820203820405", [1, [2, 3], [4, 5]]), ("a0", {}),
    ("a201020304", {1: 2, 3: 4}), ("a26161016162820203", {"a": 1, "b": [2, 3]}),
    ("d74401020304", Tagged(23, b"\1\2\3\4")), ("c249010000000000000000",
                                                Tagged(2, b"\1" + bytes(8))),
]  # fmt: skip
OTHERWISE: list[tuple[str, Any]] = [
    ("1800", 0), ("1b0000000000000000", 0), ("5f42010243030405ff", b"\1\2\3\4\5"),
    ("7f657374726561646d696e67ff", "streaming"), ("9fff", []), ("9f018202039f0405ffff",
                                                             [1, [2, 3], [4, 5]]),
    ("bf61610161629f0203ffff", {"a": 1, "b": [2, 3]}), ("a203040102", {3: 4, 1: 2}),
    ("fb3ff0000000000000", 1.0), ("5fff", b""),
]  # fmt: skip


@pytest.mark.parametrize(("data", "value"), EXAMPLES)
def test_an_example_of_the_standard_is_read_and_written(data: str, value: object) -> None:
    raw = bytes.fromhex(data)
    assert loads(raw) == value
    assert type(loads(raw)) is type(value)
    assert loads(raw, deterministic=True) == value
    assert dumps(loads(raw)) == raw


@pytest.mark.parametrize(("data", "value"), OTHERWISE)
def test_another_spelling_is_read_and_not_deterministic(data: str, value: object) -> None:
    raw = bytes.fromhex(data)
    assert loads(raw) == value
    with pytest.raises(CborError):
        loads(raw, deterministic=True)


WRONG = {
    "nothing": "",
    "a cut number": "19ff",
    "a cut string": "4401",
    "a cut list": "8301",
    "a cut map": "a201020304"[:-2],
    "a list as long as it says": "9bffffffffffffffff",
    "a map as long as it says": "bbffffffffffffffff",
    "a string as long as it says": "5bffffffffffffffff",
    "a byte after": "0000",
    "an item after": "f6f6",
    "a key twice": "a201020103",
    "a key twice, spelled otherwise": "a20102180103",
    "a text twice": "a2616101616102",
    "a key twice in an indefinite map": "bf01020103ff",
    "a list as a key": "a18001",
    "true as a key": "a1f501",
    "null as a key": "a1f601",
    "a float as a key": "a1f93c0001",
    "a length of 28": "1c",
    "a length of 30": "5e",
    "an indefinite number": "1f",
    "an indefinite tag": "df",
    "a break alone": "ff",
    "a break in a list": "81ff",
    "a break as a value": "bf01ff",
    "a break in a map": "a101ff",
    "a break under a tag": "c1ff",
    "an unended list": "9f01",
    "an unended string": "5f4101",
    "a text among bytes": "5f6161ff",
    "a string in parts within one": "5f5f4101ffff",
    "half a letter": "61c3",
    "half a letter in each part": "7f61c361bcff",
    "a surrogate": "63eda080",
    "a simple value below 32 in two bytes": "f814",
    "a simple value that is reserved": "fc",
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_item_is_refused(name: str) -> None:
    with pytest.raises(CborError):
        loads(bytes.fromhex(WRONG[name]))


def test_bounds_hold() -> None:
    assert loads(b"\x81" * 16 + b"\x00")
    for data in (b"\x81" * 17 + b"\x00", b"\xc1" * 100_000, b"\xa1\x01" * 17 + b"\x00"):
        with pytest.raises(CborError, match="deeply"):
            loads(data)
    with pytest.raises(CborError, match="too many"):
        loads(b"\x9a\x00\x01\x86\xa1" + bytes(100_001))
    with pytest.raises(CborError, match="bytes of CBOR"):
        loads(bytes(MAX_BYTES + 1))
    with pytest.raises(CborError, match="64 bits"):
        dumps(2**64)


SCALARS = (
    st.integers(-(2**64), 2**64 - 1) | st.binary(max_size=40) | st.text(max_size=40)
    | st.booleans() | st.none() | st.floats(allow_nan=False)
)  # fmt: skip
KEYS = st.integers(-(2**64), 2**64 - 1) | st.binary(max_size=9) | st.text(max_size=9)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=20,
)  # fmt: skip


@given(VALUES)
def test_what_is_written_is_read_back_and_another_library_reads_the_same(value: Any) -> None:
    data = dumps(value)
    assert loads(data, deterministic=True) == value
    assert cbor2.loads(data) == value
    assert cbor2.dumps(value, canonical=True) == cbor2.dumps(cbor2.loads(data), canonical=True)


@given(VALUES)
def test_what_another_library_writes_is_read(value: Any) -> None:
    assert loads(cbor2.dumps(value, string_referencing=False)) == loads(dumps(value))


@given(st.binary(max_size=200))
def test_no_bytes_make_the_reader_fail_otherwise(data: bytes) -> None:
    try:
        value = loads(data)
    except CborError:
        return
    assert loads(dumps(value), deterministic=True) is not None or value is None
