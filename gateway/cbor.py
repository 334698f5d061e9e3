"""CBOR (RFC 8949), read strictly and written in its deterministic form (section 4.2).

Evidence and receipts are hostile bytes. Common readers take bytes after the item, keep the
last of two equal keys, and follow any depth; here each of these is an error.
"""

import math
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from gateway.errors import GatewayError

MAX_DEPTH = 16
MAX_ITEMS = 100_000
MAX_BYTES = 4 * 1024 * 1024

_BREAK = object()


class CborError(GatewayError):
    """The bytes are not one item of CBOR within the bounds."""

    reason = "cbor"


@dataclass(frozen=True, slots=True)
class Tagged:
    """An item under a tag (section 3.4)."""

    tag: int
    value: "Value"


@dataclass(frozen=True, slots=True)
class Simple:
    """A simple value that is none of false, true and null (section 3.3)."""

    number: int


Key = int | str | bytes
Value = (
    int | float | str | bytes | bool | None | list["Value"] | dict[Key, "Value"] | Tagged | Simple
)


def loads(
    data: bytes,
    *,
    max_depth: int = MAX_DEPTH,
    max_items: int = MAX_ITEMS,
    deterministic: bool = False,
) -> Value:
    """The one item in the bytes.

    Args:
        deterministic: Refuse whatever `dumps` would have written otherwise.

    Raises:
        CborError: They are none, something follows, a key comes twice, or a bound is passed.
    """
    if len(data) > MAX_BYTES:
        raise CborError(f"more than {MAX_BYTES} bytes of CBOR")
    reader = _Reader(data, max_items)
    value = reader.item(max_depth)
    if value is _BREAK:
        raise CborError("a break stands outside of an indefinite item")
    if reader.at != len(data):
        raise CborError(f"{len(data) - reader.at} bytes follow the item")
    found = cast("Value", value)
    if deterministic and dumps(found) != data:
        raise CborError("the item is not in its deterministic form")
    return found


class _Reader:
    """A place in the bytes, and how many items may still come."""

    def __init__(self, data: bytes, items: int) -> None:
        self._data = data
        self._left = items
        self.at = 0
        self._of_type: tuple[Callable[[int, int], object], ...] = (
            lambda info, _: self._count(info),
            lambda info, _: -1 - self._count(info),
            lambda info, _: self._string(info, 2),
            lambda info, _: _text(self._string(info, 3)),
            self._array,
            self._map,
            self._tagged,
            lambda info, _: self._other(info),
        )

    def item(self, depth: int) -> object:
        if depth < 0:
            raise CborError("the item is nested too deeply")
        self._left -= 1
        if self._left < 0:
            raise CborError("the item holds too many others")
        first = self._take(1)[0]
        return self._of_type[first >> 5](first & 31, depth)

    def _take(self, size: int) -> bytes:
        end = self.at + size
        if end > len(self._data):
            raise CborError("the item is cut off")
        taken = self._data[self.at : end]
        self.at = end
        return taken

    def _count(self, info: int) -> int:
        if info < 24:
            return info
        if info > 27:
            raise CborError("a length that CBOR does not have")
        return int.from_bytes(self._take(1 << (info - 24)))

    def _string(self, info: int, major: int) -> bytes:
        if info != 31:
            return self._take(self._count(info))
        parts: list[bytes] = []
        while (first := self._take(1)[0]) != 0xFF:
            self._left -= 1
            if first >> 5 != major or first & 31 == 31 or self._left < 0:
                raise CborError("a string in parts holds something else")
            parts.append(self._take(self._count(first & 31)))
            if major == 3:
                _text(parts[-1])  # each part is whole characters (section 3.2.3)
        return b"".join(parts)

    def _array(self, info: int, depth: int) -> list[object]:
        if info == 31:
            found: list[object] = []
            while (value := self.item(depth - 1)) is not _BREAK:
                found.append(value)
            return found
        return [self._whole(depth - 1) for _ in range(self._bounded(info))]

    def _map(self, info: int, depth: int) -> dict[Key, object]:
        found: dict[Key, object] = {}
        number = -1 if info == 31 else self._bounded(info)
        while number:
            number -= 1
            key = self.item(depth - 1)
            if key is _BREAK and info == 31:
                return found
            if isinstance(key, bool) or not isinstance(key, (int, str, bytes)):
                raise CborError("a key is no number and no string")
            if key in found:
                raise CborError("a key comes twice")
            found[key] = self._whole(depth - 1)
        return found

    def _tagged(self, info: int, depth: int) -> Tagged:
        tag = self._count(info)
        return Tagged(tag, cast("Value", self._whole(depth - 1)))

    def _whole(self, depth: int) -> object:
        value = self.item(depth)
        if value is _BREAK:
            raise CborError("a break stands where a value should")
        return value

    def _bounded(self, info: int) -> int:
        """How many follow; no more than bytes are left, so that no count costs memory."""
        count = self._count(info)
        if count > len(self._data) - self.at:
            raise CborError("the item is cut off")
        return count

    def _other(self, info: int) -> object:
        if info == 31:
            return _BREAK
        if info in (25, 26, 27):
            size = 1 << (info - 24)
            return struct.unpack(">" + "_efd"[info - 24], self._take(size))[0]
        number = self._take(1)[0] if info == 24 else info
        if info > 24 or (info == 24 and number < 32):
            raise CborError("a simple value that CBOR does not have")
        known = {20: False, 21: True, 22: None}
        return known[number] if number in known else Simple(number)


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise CborError("a text is not UTF-8") from error


# --- writing -------------------------------------------------------------------------


def dumps(value: Value) -> bytes:
    """The deterministic encoding: shortest lengths and numbers, keys in order of their bytes.

    Raises:
        CborError: A number is beyond 64 bits.
    """
    if value is None or isinstance(value, bool):
        return {False: b"\xf4", True: b"\xf5", None: b"\xf6"}[value]
    if isinstance(value, int):
        return _head(0, value) if value >= 0 else _head(1, -1 - value)
    if isinstance(value, float):
        return _float(value)
    if isinstance(value, bytes):
        return _head(2, len(value)) + value
    if isinstance(value, str):
        data = value.encode()
        return _head(3, len(data)) + data
    if isinstance(value, list):
        return _head(4, len(value)) + b"".join(dumps(one) for one in value)
    if isinstance(value, dict):
        rows = sorted((dumps(key), dumps(one)) for key, one in value.items())
        return _head(5, len(rows)) + b"".join(key + one for key, one in rows)
    if isinstance(value, Tagged):
        return _head(6, value.tag) + dumps(value.value)
    return _head(7, value.number)


def _head(major: int, count: int) -> bytes:
    if count < 24:
        return bytes([major << 5 | count])
    for info, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if count < 1 << (8 * size):
            return bytes([major << 5 | info]) + count.to_bytes(size)
    raise CborError("a number is beyond 64 bits")


def _float(value: float) -> bytes:
    """The shortest that keeps the value; one NaN (section 4.2.2)."""
    if math.isnan(value):
        return b"\xf9\x7e\x00"
    for first, form in ((0xF9, ">e"), (0xFA, ">f")):
        try:
            data = struct.pack(form, value)
        except OverflowError:
            continue
        if struct.unpack(form, data)[0] == value:
            return bytes([first]) + data
    return b"\xfb" + struct.pack(">d", value)
