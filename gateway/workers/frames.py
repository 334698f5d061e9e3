"""Frames on the socket between the writer of the ledger and the workers.

A frame is its length in 4 bytes, what follows counted; a kind of one byte; a number of 8
bytes; and a value (`gateway.workers.values`). Numbers are big-endian. The number of an
answer is that of its question; frames that nobody asked for have 0.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

from gateway.errors import FrameError
from gateway.workers.values import Value, decode, encode

VERSION = 2
MAX_FRAME = 64 * 1024 * 1024
_HEAD = struct.Struct(">IBQ")
_BEYOND_LENGTH = _HEAD.size - 4


class Kind(IntEnum):
    """What a frame is."""

    STATE = 1  # of the writer: how the ledger is
    ASK = 2  # of a worker: a method and its arguments
    ANSWER = 3
    FAILED = 4


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame; `value` is whatever its sender has put there."""

    kind: Kind
    number: int
    value: object


def write_frame(kind: Kind, number: int, value: Value) -> bytes:
    """The bytes of a frame.

    Raises:
        FrameError: It would be longer than `MAX_FRAME`.
    """
    data = encode(value)
    if len(data) > MAX_FRAME - _BEYOND_LENGTH:
        raise FrameError(f"a frame would have {len(data):,} bytes")
    return _HEAD.pack(len(data) + _BEYOND_LENGTH, kind, number) + data


class FrameReader:
    """Frames out of bytes as they come. Memory follows what has come, not what is announced."""

    def __init__(self, most: int = MAX_FRAME) -> None:
        self._most = most
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The frames that are complete now.

        Raises:
            FrameError: What came is no frame; the rest cannot be read either.
        """
        self._buffer += data
        at = 0
        try:
            while len(self._buffer) - at >= _HEAD.size:
                length, kind, number = _HEAD.unpack_from(self._buffer, at)
                if not _BEYOND_LENGTH < length <= self._most:
                    raise FrameError(f"a frame is announced with {length:,} bytes")
                if len(self._buffer) - at - 4 < length:
                    break
                begin, at = at + _HEAD.size, at + 4 + length
                yield Frame(_kind(kind), number, decode(bytes(self._buffer[begin:at])))
        finally:
            del self._buffer[:at]


def _kind(number: int) -> Kind:
    try:
        return Kind(number)
    except ValueError as error:
        raise FrameError(f"there is no frame of kind {number}") from error
