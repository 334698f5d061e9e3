"""Frames on the socket between the writer of the ledger and the workers.

A frame is its length in 4 bytes, what follows counted; a kind of one byte; a number of 8
bytes; and a value (`gateway.workers.values`). Numbers are big-endian. The number of an
answer is that of its question; frames that nobody asked for have 0. What is appended and its
receipts have the numbers of their groups inside (`gateway.workers.pieces`), and are bytes here.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

from gateway.errors import FrameError
from gateway.workers.values import Value, decode, encode

VERSION = 3
MAX_FRAME = 64 * 1024 * 1024
_HEAD = struct.Struct(">IBQ")
_BEYOND_LENGTH = _HEAD.size - 4


class Kind(IntEnum):
    """What a frame is."""

    STATE = 1  # of the writer: how the ledger is
    ASK = 2  # of a worker: a method and its arguments
    ANSWER = 3
    FAILED = 4
    APPEND = 5  # of a worker: groups of entries
    RECEIPTS = 6  # of the writer: for all of some of these groups


_OF_PIECES = (Kind.APPEND, Kind.RECEIPTS)


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame; `value` is whatever its sender has put there, and bytes of those with pieces."""

    kind: Kind
    number: int
    value: object


def write_frame(kind: Kind, number: int, value: Value) -> bytes:
    """The bytes of a frame.

    Raises:
        FrameError: It would be longer than `MAX_FRAME`.
    """
    return write_pieces(kind, encode(value), number)


def write_pieces(kind: Kind, data: bytes, number: int = 0) -> bytes:
    """The bytes of a frame around what is bytes already; raises as `write_frame`."""
    if len(data) > MAX_FRAME - _BEYOND_LENGTH:
        raise FrameError(f"a frame would have {len(data):,} bytes")
    return _HEAD.pack(len(data) + _BEYOND_LENGTH, kind, number) + data


class FrameReader:
    """Frames out of bytes as they come. Memory follows what has come, not what is announced."""

    def __init__(self, most: int = MAX_FRAME) -> None:
        self._most = most
        self._parts: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The frames that are complete now.

        Raises:
            FrameError: What came is no frame; the rest cannot be read either.
        """
        self._parts.append(data)
        self._size += len(data)
        head = self._head()
        if head is None or self._size - 4 < head[0]:
            return
        data = self._whole()
        at = 0
        try:
            while head is not None and len(data) - at - 4 >= head[0]:
                length, kind, number = head
                begin, at = at + _HEAD.size, at + 4 + length
                yield _frame(kind, number, data[begin:at])
                head = self._head_at(data, at)
        finally:
            self._parts = [data[at:]] if at < len(data) else []
            self._size = len(data) - at

    def _head(self) -> tuple[int, int, int] | None:
        if self._size < _HEAD.size:
            return None
        if len(self._parts[0]) < _HEAD.size:
            self._whole()
        return self._head_at(self._parts[0], 0)

    def _whole(self) -> bytes:
        """What came, in one piece: nearly always it is one already."""
        if len(self._parts) > 1:
            self._parts = [b"".join(self._parts)]
        return self._parts[0]

    def _head_at(self, data: bytes, at: int) -> tuple[int, int, int] | None:
        if len(data) - at < _HEAD.size:
            return None
        length, kind, number = _HEAD.unpack_from(data, at)
        if not _BEYOND_LENGTH < length <= self._most:
            raise FrameError(f"a frame is announced with {length:,} bytes")
        return length, kind, number


def _frame(number_of_kind: int, number: int, data: bytes) -> Frame:
    try:
        kind = Kind(number_of_kind)
    except ValueError as error:
        raise FrameError(f"there is no frame of kind {number_of_kind}") from error
    return Frame(kind, number, data if kind in _OF_PIECES else decode(data))
