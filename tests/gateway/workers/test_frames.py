"""Values and frames between our processes: what is written is read, and nothing else is."""

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import (
    EntryConflictError,
    FrameError,
    KeysExhaustedError,
    KeyTakenError,
    LedgerError,
    LedgerUnavailableError,
    ProofMalformedError,
)
from gateway.ledger.head import Receipt
from gateway.ledger.once import Once
from gateway.ledger.storage import StoredRecord
from gateway.workers.frames import MAX_FRAME, Frame, FrameReader, Kind, write_frame
from gateway.workers.values import MAX_ITEMS, Failure, decode, encode, listed

RECEIPT = Receipt(7, 9, b"h" * 32, "c2sp.org/tlog-proof@v1\n…", "2026-11-22T06:00:00.000Z")
RECORD = StoredRecord(7, "id", "clinic-é", b"h" * 32, b"s" * 32, b"{}", "2026-11-22T06:00:00Z")
ONCE = Once(b"k" * 32, "clinic-a", b"r" * 32, "id", 2_000_000_000)
FAILURE = Failure("ledger-unavailable", "no", 0)

PLAIN: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.text(),
    st.binary(),
    st.sampled_from([RECEIPT, RECORD, ONCE, FAILURE]),
)
VALUES = st.one_of(PLAIN, st.lists(st.one_of(PLAIN, st.lists(PLAIN, max_size=4)), max_size=4))


@given(value=VALUES)
def test_what_is_written_is_read(value: Any) -> None:
    assert decode(encode(value)) == value


@given(value=VALUES, data=st.data())
def test_a_value_cut_off_anywhere_is_none(value: Any, data: st.DataObject) -> None:
    written = encode(value)
    with pytest.raises(FrameError):
        decode(written[: data.draw(st.integers(0, len(written) - 1))])


@given(st.binary(max_size=200))
def test_noise_is_refused_or_a_value_that_is_written_the_same(noise: bytes) -> None:
    try:
        value: Any = decode(noise)
    except FrameError:
        return
    assert encode(value) == noise


def length(count: int) -> bytes:
    return struct.pack(">I", count)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"X",
        b"NN",
        b"T",
        b"I\0\0\0",
        b"S" + length(1) + b"\xff",
        b"S" + length(2) + b"\xed\xa0",
        b"S" + length(2**32 - 1) + b"a",
        b"B" + length(2) + b"a",
        b"L" + length(MAX_ITEMS + 1) + b"N" * (MAX_ITEMS + 1),
        b"L" + length(2**32 - 1),
        b"L" + length(2) + b"N",
        (b"L" + length(1)) * 100_000 + b"N",
        b"R" * 100_000,
        b"R" + encode([1, 2, b"h", "p"]),
        b"R" + encode([1, 2, b"h", "p", "t", "u"]),
        b"R" + encode([1, 2, "h", "p", "t"]),
        b"R" + encode(None),
        b"P" + encode([7, "id", "t", b"h", b"s", "body", "at"]),
        b"O" + encode(["k", "t", b"r", "a", 1]),
        b"F" + encode(["kind", "words"]),
    ],
    ids=lambda data: repr(data[:24]),
)
def test_what_is_no_value_is_refused(data: bytes) -> None:
    with pytest.raises(FrameError):
        decode(data)


@pytest.mark.parametrize("value", [True, 1.5, {"a": 1}, object(), [{}]])
def test_what_cannot_be_told_is_not_written(value: Any) -> None:
    with pytest.raises(TypeError):
        encode(value)


@pytest.mark.parametrize("value", [None, "ab", b"ab", 2, ["a"], [1, 2, 3]])
def test_what_is_no_list_of_two_is_refused(value: object) -> None:
    with pytest.raises(FrameError):
        listed(value, 2)


# --- failures ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error",
    [
        LedgerUnavailableError("the disk is full"),
        LedgerError("no"),
        KeyTakenError("used"),
        KeysExhaustedError("full"),
    ],
)
def test_an_error_arrives_as_the_same_class(error: LedgerError) -> None:
    arrived = Failure.of(error).error()
    assert type(arrived) is type(error)
    assert str(arrived) == str(error)


def test_a_conflict_arrives_with_its_place() -> None:
    arrived = Failure.of(EntryConflictError(entry_id="a", index=5)).error()
    assert isinstance(arrived, EntryConflictError)
    assert (arrived.entry_id, arrived.index) == ("a", 5)


def test_an_error_without_a_class_of_its_own_there_arrives_as_its_family() -> None:
    assert type(Failure.of(ProofMalformedError("bad")).error()) is LedgerError


def test_what_nobody_foresaw_arrives_without_its_words_and_as_unavailable() -> None:
    arrived = Failure.of(ValueError("secret")).error()
    assert type(arrived) is LedgerUnavailableError
    assert "secret" not in str(arrived)


def test_a_failure_of_an_unknown_kind_is_refused() -> None:
    with pytest.raises(FrameError):
        Failure("permit", "", 0).error()


# --- frames --------------------------------------------------------------------------


@given(st.lists(VALUES, min_size=1, max_size=4), st.integers(1, 40))
def test_frames_arrive_in_order_however_they_are_cut(values: list[Any], piece: int) -> None:
    data = b"".join(write_frame(Kind.ASK, n, value) for n, value in enumerate(values))
    reader = FrameReader()
    found = [
        frame
        for at in range(0, len(data), piece)
        for frame in reader.feed(data[at : at + piece])
    ]  # fmt: skip
    assert found == [Frame(Kind.ASK, n, value) for n, value in enumerate(values)]


HEAD = struct.Struct(">IBQ")


@pytest.mark.parametrize(
    "data",
    [
        HEAD.pack(0, 2, 1),
        HEAD.pack(9, 2, 1),
        HEAD.pack(MAX_FRAME + 1, 2, 1),
        HEAD.pack(2**32 - 1, 2, 1),
        HEAD.pack(10, 0, 1) + b"N",
        HEAD.pack(10, 9, 1) + b"N",
        HEAD.pack(11, 2, 1) + b"NN",
        b"GET / HTTP/1.1\r\n\r\n",
    ],
    ids=["nothing", "no value", "too long", "longest", "kind 0", "kind 9", "two values", "http"],
)
def test_what_is_no_frame_is_refused(data: bytes) -> None:
    with pytest.raises(FrameError):
        list(FrameReader().feed(data))


def test_a_frame_before_a_bad_one_still_arrives() -> None:
    frames = FrameReader().feed(write_frame(Kind.ASK, 1, None) + HEAD.pack(0, 2, 1))
    assert next(frames) == Frame(Kind.ASK, 1, None)
    with pytest.raises(FrameError):
        next(frames)


def test_a_frame_that_would_be_too_long_is_not_written() -> None:
    with pytest.raises(FrameError):
        write_frame(Kind.ASK, 1, [bytes(MAX_FRAME // 2), bytes(MAX_FRAME // 2)])
