"""Entries and receipts between our processes: what is written is read, and nothing else is."""

import base64
import struct
from array import array
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import FrameError
from gateway.ledger.bodies import Enveloped
from gateway.ledger.head import Receipt
from gateway.ledger.pending import Entry
from gateway.workers.pieces import (
    MAX_OF_GROUP,
    read_entries,
    read_receipts,
    write_entries,
    write_receipts,
)

NUMBERS = st.integers(0, 2**64 - 1)
TEXTS = st.text(max_size=20)
REST = b'","payloadType":"x","signatures":[]}'
ENVELOPED = st.builds(Enveloped.around, st.binary(min_size=1, max_size=40), st.just(REST))
ENTRIES = st.tuples(TEXTS, TEXTS, st.one_of(st.binary(max_size=40), ENVELOPED))
HASHES = st.binary(min_size=32, max_size=32)
RECEIPTS = st.builds(Receipt, NUMBERS, NUMBERS, HASHES, TEXTS, TEXTS)


def groups_of(items: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(st.tuples(NUMBERS, st.lists(items, min_size=1, max_size=4)), max_size=4)


@given(groups_of(ENTRIES))
def test_entries_arrive_as_they_were(groups: list[tuple[int, list[Entry]]]) -> None:
    found = read_entries(write_entries(groups))
    assert found == groups
    for (_, sent), (_, arrived) in zip(groups, found, strict=True):
        for (_, _, body), (_, _, again) in zip(sent, arrived, strict=True):
            if isinstance(body, Enveloped):  # its payload need not be found again
                assert isinstance(again, Enveloped)
                assert again.payload == body.payload
            assert type(again) in (bytes, Enveloped)


@given(groups_of(RECEIPTS))
def test_receipts_arrive_as_they_were(groups: list[tuple[int, list[Receipt]]]) -> None:
    assert read_receipts(write_receipts(groups)) == groups


PAYLOAD = b'{"_type":"x"}'
WRITTEN = base64.b64encode(PAYLOAD)


@pytest.mark.parametrize(
    "body",
    [
        Enveloped(b"", PAYLOAD),
        Enveloped(b"{}", PAYLOAD),
        Enveloped(b'{"payload":"' + WRITTEN, PAYLOAD),
        Enveloped(b'{"payload":"' + WRITTEN[:-4] + b'"}', PAYLOAD),
        Enveloped(b'{"payload":"' + WRITTEN + b'AAAA"}', PAYLOAD),
        Enveloped(b'{"payload":"' + WRITTEN[:-4] + b'AAA="}', PAYLOAD),
        Enveloped(b'{"payloud":"' + WRITTEN + b'"}', PAYLOAD),
        Enveloped(b'{"payload":""}', b""),
    ],
    ids=["nothing", "no payload", "no end", "short", "long", "other", "other name", "empty"],
)
def test_an_envelope_that_is_not_around_its_payload_arrives_byte_by_byte(body: Enveloped) -> None:
    ((_, ((_, _, arrived),)),) = read_entries(write_entries([(1, [("a", "t", body)])]))
    assert arrived == bytes(body)


# --- what is refused -----------------------------------------------------------------

SENT = write_entries([(1, [("a", "t", b"{}"), ("b", "t", Enveloped.around(PAYLOAD, REST))])])
TOLD = write_receipts([(1, [Receipt(1, 2, b"h" * 32, "proof", "now")])])
READERS: dict[str, tuple[Callable[[bytes], object], bytes]] = {
    "entries": (read_entries, SENT),
    "receipts": (read_receipts, TOLD),
}


@pytest.mark.parametrize("what", READERS)
def test_one_cut_off_anywhere_or_longer_is_refused(what: str) -> None:
    read, data = READERS[what]
    for at in range(len(data)):
        with pytest.raises(FrameError):
            read(data[:at])
    with pytest.raises(FrameError):
        read(data + b"\0")


@pytest.mark.parametrize("what", READERS)
@given(noise=st.binary(max_size=200))
def test_noise_is_refused(what: str, noise: bytes) -> None:
    with pytest.raises(FrameError):
        READERS[what][0](noise)


@pytest.mark.parametrize("what", READERS)
@given(at=st.integers(0, 10_000), byte=st.integers(0, 255))
def test_whatever_byte_is_changed_nothing_but_a_frame_error_comes_of_it(
    what: str, at: int, byte: int
) -> None:
    read, data = READERS[what]
    changed = bytearray(data)
    changed[at % len(data)] = byte
    with suppress(FrameError):
        read(bytes(changed))


def pieces(*found: bytes) -> bytes:
    return array("I", [len(found), *map(len, found)]).tobytes() + b"".join(found)


def heads(*numbers: int) -> bytes:
    return array("Q", numbers).tobytes()


PLACE = struct.pack("=QQ32s", 1, 2, b"h" * 32)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        pieces(),
        pieces(b"x"),
        pieces(heads(1)),
        pieces(heads(1, 1)),
        pieces(heads(1, 0)),
        pieces(heads(1, 1), b"a", b"t", b""),
        pieces(heads(1, 1), b"a", b"t", b"", b"{}", b""),
        pieces(heads(1, 2), b"a", b"t", b"", b"{}"),
        pieces(heads(1, 2**64 - 1), b"a", b"t", b"", b"{}"),
        pieces(heads(1, 2**62), b"a", b"t", b"", b"{}"),
        pieces(heads(1, MAX_OF_GROUP + 1), *[b"", b"", b"", b""] * (MAX_OF_GROUP + 1)),
        pieces(heads(1, 1), b"\xff", b"t", b"", b"{}"),
        pieces(heads(1, 1), b"a", b"\xed\xa0\x80", b"", b"{}"),
        array("I", [2**32 - 1]).tobytes(),
        array("I", [1, 2**32 - 1]).tobytes() + heads(1, 1),
    ],
    ids=lambda data: f"{len(data)} {data[:16]!r}",
)
def test_what_are_no_entries_is_refused(data: bytes) -> None:
    with pytest.raises(FrameError):
        read_entries(data)


@pytest.mark.parametrize(
    "data",
    [
        pieces(heads(1, 1), PLACE, b"proof"),
        pieces(heads(1, 1), PLACE[:-1], b"proof", b"now"),
        pieces(heads(1, 1), PLACE + b"h", b"proof", b"now"),
        pieces(heads(1, 1), PLACE, b"\xff", b"now"),
        pieces(heads(1, 1), PLACE, b"proof", b"\xff"),
        pieces(heads(1, 1), b"", b"", b""),
    ],
    ids=["two", "short", "long", "proof", "instant", "empty"],
)
def test_what_are_no_receipts_is_refused(data: bytes) -> None:
    with pytest.raises(FrameError):
        read_receipts(data)
