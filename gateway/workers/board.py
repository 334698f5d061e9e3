"""Memory that the workers of one gateway share: each writes its own place, all read all.

It is made before the processes are, has no file, and outlives a worker that is killed in the
middle: a place has two halves, of which the one that is not read is written.
"""

import mmap
import struct
import zlib

HALF = 512 * 1024
_HEAD = struct.Struct(">II")  # length and checksum of what a half holds
_PLACE = 8 + 2 * HALF  # one byte says which half counts; the others keep the place aligned
_START = struct.Struct(">Bq")
_TRIES = 3


class Board:
    """Places for so many workers."""

    def __init__(self, places: int) -> None:
        self.places = places
        self._memory = mmap.mmap(-1, 16 + places * _PLACE)

    def start(self, entries: int) -> int:
        """The number of entries of the log when the first worker said so."""
        is_set, first = _START.unpack_from(self._memory)
        if not is_set:
            _START.pack_into(self._memory, 0, 1, entries)
            return entries
        return int(first)

    def write(self, place: int, data: bytes) -> bool:
        """Replace what a worker has there; False, and nothing is replaced, where it is too
        long."""
        if len(data) > HALF - _HEAD.size:
            return False
        at = 16 + place * _PLACE
        half = 1 - self._memory[at]
        begin = at + 8 + half * HALF
        _HEAD.pack_into(self._memory, begin, len(data), zlib.crc32(data))
        self._memory[begin + _HEAD.size : begin + _HEAD.size + len(data)] = data
        self._memory[at] = half
        return True

    def read(self, place: int) -> bytes:
        """What the worker has written last, or nothing."""
        at = 16 + place * _PLACE
        for _ in range(_TRIES):  # it may write twice while this is read
            begin = at + 8 + self._memory[at] * HALF
            length, checksum = _HEAD.unpack_from(self._memory, begin)
            if length > HALF - _HEAD.size:
                continue
            data = self._memory[begin + _HEAD.size : begin + _HEAD.size + length]
            if zlib.crc32(data) == checksum:
                return data
        return b""
