"""Values between our own processes, as bytes: plain ones, lists, and the dataclasses of the
ledger. Strict, with a bound on everything; what is read makes nothing but these.

A value is a tag of one byte and what follows:

    N                nothing
    I  8 bytes       whole number, signed, big-endian
    S  4 bytes, n    text of n bytes in UTF-8
    B  4 bytes, n    n bytes
    L  4 bytes, n    n values
    R P O F          the members of a `Receipt`, `StoredRecord`, `Once` or `Failure`, as one L
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar, cast

from gateway.errors import (
    EntryConflictError,
    FrameError,
    KeysExhaustedError,
    KeyTakenError,
    LedgerError,
    LedgerUnavailableError,
)
from gateway.ledger.erased import ErasedEntryError, ErasureRefusedError
from gateway.ledger.head import Receipt
from gateway.ledger.once import Once
from gateway.ledger.storage import StoredRecord

_T = TypeVar("_T")

MAX_DEPTH = 4
MAX_ITEMS = 4096

_LENGTH = struct.Struct(">I")
_NUMBER = struct.Struct(">q")

# What an append can fail with, by its reason; whoever asks acts on the class.
_ERRORS: dict[str, type[LedgerError]] = {
    one.reason: one
    for one in (
        LedgerError,
        LedgerUnavailableError,
        KeyTakenError,
        KeysExhaustedError,
        ErasureRefusedError,
    )
}


@dataclass(frozen=True, slots=True)
class Failure:
    """An error of the ledger, told to another process. `kind` is its reason."""

    kind: str
    words: str
    index: int

    @staticmethod
    def of(error: BaseException) -> "Failure":
        if isinstance(error, EntryConflictError):
            return Failure(error.reason, error.entry_id, error.index)
        if isinstance(error, ErasedEntryError):
            # No id has a line break.
            return Failure(error.reason, f"{error.entry_id}\n{error.erasure_id}", error.index)
        if not isinstance(error, LedgerError):
            return Failure(LedgerUnavailableError.reason, f"unforeseen: {type(error).__name__}", 0)
        kind = error.reason if error.reason in _ERRORS else LedgerError.reason
        return Failure(kind, str(error), 0)

    def error(self) -> LedgerError:
        """The error that it was made of, or the nearest of ours.

        Raises:
            FrameError: There is none of that kind.
        """
        if self.kind == EntryConflictError.reason:
            return EntryConflictError(entry_id=self.words, index=self.index)
        if self.kind == ErasedEntryError.reason:
            entry_id, _, erasure_id = self.words.partition("\n")
            return ErasedEntryError(entry_id=entry_id, index=self.index, erasure_id=erasure_id)
        if self.kind not in _ERRORS:
            raise FrameError(f"there is no failure {self.kind!r}")
        return _ERRORS[self.kind](self.words)


Value = int | str | bytes | Sequence["Value"] | Receipt | StoredRecord | Once | Failure | None


# --- writing -------------------------------------------------------------------------


def encode(value: Value) -> bytes:
    """The bytes of a value; raises `TypeError` for what is none."""
    parts: list[bytes] = []
    _put(value, parts)
    return b"".join(parts)


def _put(value: Value, parts: list[bytes]) -> None:
    match value:
        case None:
            parts.append(b"N")
        case bytes():
            parts += (b"B", _LENGTH.pack(len(value)), value)
        case str():
            data = value.encode()
            parts += (b"S", _LENGTH.pack(len(data)), data)
        case int() if not isinstance(value, bool):
            parts += (b"I", _NUMBER.pack(value))
        case Receipt(index, tree_size, leaf_hash, proof_text, logged_at):
            parts.append(b"R")
            _put((index, tree_size, leaf_hash, proof_text, logged_at), parts)
        case StoredRecord(index, id_, tenant, commitment, salt, body, logged_at):
            parts.append(b"P")
            _put((index, id_, tenant, commitment, salt, body, logged_at), parts)
        case Once(key, tenant, request, answer, until):
            parts.append(b"O")
            _put((key, tenant, request, answer, until), parts)
        case Failure(kind, words, index):
            parts.append(b"F")
            _put((kind, words, index), parts)
        case list() | tuple():
            parts += (b"L", _LENGTH.pack(len(value)))
            for one in value:
                _put(one, parts)
        case _:
            raise TypeError(f"a {type(value).__name__} is no value")


# --- reading -------------------------------------------------------------------------

_MEMBERS: dict[bytes, tuple[type, tuple[type, ...]]] = {
    b"R": (Receipt, (int, int, bytes, str, str)),
    b"P": (StoredRecord, (int, str, str, bytes, bytes, bytes, str)),
    b"O": (Once, (bytes, str, bytes, str, int)),
    b"F": (Failure, (str, str, int)),
}


def decode(data: bytes) -> object:
    """The value of these bytes, all of them.

    Raises:
        FrameError: They are none, or more than one.
    """
    reader = _Reader(data)
    value = reader.value(0)
    if reader.at != len(data):
        raise FrameError(f"{len(data) - reader.at} bytes follow the value")
    return value


def listed(value: object, count: int | None = None) -> list[object]:
    """The items of a list, of which there are so many.

    Raises:
        FrameError: It is no such list.
    """
    if not isinstance(value, list) or count not in (None, len(cast("list[object]", value))):
        raise FrameError("this is not the list that was expected")
    return cast("list[object]", value)


def number(value: object) -> int:
    """A number that was read; raises `FrameError` for anything else."""
    if not isinstance(value, int):
        raise FrameError("this is no number")
    return value


def optional(kind: type[_T], value: object) -> _T | None:
    """What was asked for, or nothing.

    Raises:
        LedgerUnavailableError: It is something else.
    """
    if value is None or isinstance(value, kind):
        return value
    raise LedgerUnavailableError("the writer of the log gave another answer than was asked for")


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self.at = 0

    def value(self, depth: int) -> object:
        tag = self._take(1)
        match tag:
            case b"N":
                return None
            case b"I":
                return _NUMBER.unpack(self._take(8))[0]
            case b"B":
                return self._take(self._length())
            case b"S":
                return self._text()
            case b"L":
                return self._list(depth)
            case b"R" | b"P" | b"O" | b"F":
                return self._members(tag, depth)
            case _:
                raise FrameError(f"a value begins with {tag!r}")

    def _take(self, count: int) -> bytes:
        end = self.at + count
        found = self._data[self.at : end]
        if len(found) != count:
            raise FrameError("the value is cut off")
        self.at = end
        return found

    def _length(self) -> int:
        return cast("int", _LENGTH.unpack(self._take(4))[0])

    def _text(self) -> str:
        try:
            return self._take(self._length()).decode()
        except UnicodeDecodeError as error:
            raise FrameError("a text is not UTF-8") from error

    def _list(self, depth: int) -> list[object]:
        count = self._length()
        if depth >= MAX_DEPTH or count > MAX_ITEMS:
            raise FrameError("a list is too long or too deep")
        return [self.value(depth + 1) for _ in range(count)]

    def _members(self, tag: bytes, depth: int) -> object:
        made, types = _MEMBERS[tag]
        if depth >= MAX_DEPTH:
            raise FrameError("a value is too deep")
        members = listed(self.value(depth + 1))
        if [type(one) for one in members] != list(types):
            raise FrameError(f"a {made.__name__} has other members")
        return made(*members)
