"""What crosses the socket for nearly every decision, as one run of bytes for many of them: entries
to be appended, and their receipts.

    number of pieces   4 bytes
    length of each     4 bytes
    the pieces

The first piece has two numbers of 8 bytes for each group, its number and how many it has. Numbers
are in the order of the machine, which both ends are on. Four pieces are an entry: its id, its
tenant, the payload of its envelope, and the rest of its body, which is all of it where the payload
is empty. Three are a receipt: index, size of the tree and hash of the leaf; the proof; and when it
was logged.
"""

import struct
from array import array
from collections.abc import Callable, Sequence
from typing import TypeVar

from gateway.errors import FrameError
from gateway.ledger.bodies import Enveloped
from gateway.ledger.head import Receipt
from gateway.ledger.pending import Entry

_T = TypeVar("_T")
Groups = Sequence[tuple[int, Sequence[_T]]]
"""The number of each group, and what it has: one at least."""

MAX_OF_GROUP = 4096

_PIECES_OF_ENTRY = 4
_PIECES_OF_RECEIPT = 3
_PLACE = struct.Struct("=QQ32s")


# --- writing -------------------------------------------------------------------------


def write_entries(groups: Groups[Entry]) -> bytes:
    """Entries of groups that are each appended together."""
    pieces = [_heads(groups)]
    for _, entries in groups:
        for entry_id, tenant, body in entries:
            pieces += (entry_id.encode(), tenant.encode())
            pieces += _parted(body)
    return _join(pieces)


def _parted(body: bytes) -> tuple[bytes, bytes]:
    if isinstance(body, Enveloped) and body.payload:
        rest = body.rest()
        if rest is not None:
            return body.payload, rest
    return b"", body


def write_receipts(groups: Groups[Receipt]) -> bytes:
    """Receipts of all that groups have."""
    pieces = [_heads(groups)]
    for _, receipts in groups:
        for one in receipts:
            place = _PLACE.pack(one.index, one.tree_size, one.leaf_hash)
            pieces += (place, one.proof_text.encode(), one.logged_at.encode())
    return _join(pieces)


def _heads(groups: Groups[object]) -> bytes:
    return array("Q", [n for number, items in groups for n in (number, len(items))]).tobytes()


def _join(pieces: list[bytes]) -> bytes:
    lengths = array("I", [len(pieces), *map(len, pieces)])
    return b"".join((lengths.tobytes(), *pieces))


# --- reading -------------------------------------------------------------------------


def read_entries(data: bytes) -> list[tuple[int, list[Entry]]]:
    """What `write_entries` has written; raises `FrameError` for what it never would."""
    return _read(data, _PIECES_OF_ENTRY, _entry)


def read_receipts(data: bytes) -> list[tuple[int, list[Receipt]]]:
    """What `write_receipts` has written; raises `FrameError` for what it never would."""
    return _read(data, _PIECES_OF_RECEIPT, _receipt)


def _read(
    data: bytes, pieces_of_one: int, make: Callable[[list[bytes]], _T]
) -> list[tuple[int, list[_T]]]:
    pieces = _apart(data)
    heads = array("Q")
    if not pieces or len(pieces[0]) % (2 * heads.itemsize):
        raise FrameError("the groups of a frame cannot be told apart")
    heads.frombytes(pieces[0])
    numbers, counts = heads[::2], heads[1::2]
    if not all(0 < count <= MAX_OF_GROUP for count in counts):
        raise FrameError(f"a group has 1 to {MAX_OF_GROUP} items")
    if len(pieces) != 1 + pieces_of_one * sum(counts):
        raise FrameError("a frame has other pieces than its groups")
    found: list[tuple[int, list[_T]]] = []
    at = 1
    try:
        for number, count in zip(numbers, counts, strict=True):
            end = at + pieces_of_one * count
            ones = range(at, end, pieces_of_one)
            found.append((number, [make(pieces[one : one + pieces_of_one]) for one in ones]))
            at = end
    except UnicodeDecodeError as error:
        raise FrameError("a text is not UTF-8") from error
    return found


def _apart(data: bytes) -> list[bytes]:
    lengths = array("I")
    size = lengths.itemsize
    if len(data) < size:
        raise FrameError("the frame is cut off")
    lengths.frombytes(data[:size])
    begin = size * (1 + lengths[0])
    if len(data) < begin:
        raise FrameError("the frame is cut off")
    lengths.frombytes(data[size:begin])
    if sum(lengths) - lengths[0] != len(data) - begin:
        raise FrameError("the frame is longer or shorter than its pieces")
    pieces: list[bytes] = []
    for length in lengths[1:]:
        end = begin + length
        pieces.append(data[begin:end])
        begin = end
    return pieces


def _entry(pieces: list[bytes]) -> Entry:
    entry_id, tenant, payload, rest = pieces
    body = Enveloped.around(payload, rest) if payload else rest
    return entry_id.decode(), tenant.decode(), body


def _receipt(pieces: list[bytes]) -> Receipt:
    place, proof, logged_at = pieces
    if len(place) != _PLACE.size:
        raise FrameError("the place of an entry has another length")
    index, tree_size, leaf_hash = _PLACE.unpack(place)
    return Receipt(index, tree_size, leaf_hash, proof.decode(), logged_at.decode())
