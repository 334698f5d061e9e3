"""JSON with one meaning and one spelling: a strict reader, and the bytes of RFC 8785.

What parsers disagree about is refused: duplicate keys, numbers beyond +-(2^53 - 1),
fractions, lone surrogates, control characters, a byte order mark (RFC 8259 and RFC 7493).
"""

import json
import math
import re
from codecs import BOM_UTF8
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, lru_cache
from json.encoder import encode_basestring
from typing import Any, cast

import rfc8785

from gateway.errors import CanonicalFormError, DuplicateKeyError, JsonError

MAX_INTEGER = 2**53 - 1
MAX_DEPTH = 32
MAX_KEYS = 10_000
MAX_STRING = 64 * 1024
MAX_VALUES = 50_000  # of a question; a MiB has room for ten times as many
_MAX_FLOAT = 32
_DUPLICATE = "duplicate key"

Json = dict[str, "Json"] | list["Json"] | str | int | float | bool | None


# --- writing -------------------------------------------------------------------------

# The standard encoder spells strings and integers as RFC 8785 does, eight times as fast as
# `rfc8785`. It sorts by code point and not by UTF-16 unit: the same for ASCII keys alone.
_FAST = json.JSONEncoder(
    ensure_ascii=False, check_circular=False, allow_nan=False, sort_keys=True, separators=(",", ":")
)


def _encoder() -> Callable[[object], str]:
    """What `_FAST.encode` does, without making the part that is in C for each value anew, which
    takes as long as a small value."""
    make: Any = getattr(json.encoder, "c_make_encoder", None)
    if make is None:
        return _FAST.encode
    pieces: Callable[[object, int], tuple[str, ...]] = make(
        None, _FAST.default, encode_basestring, None, ":", ",", True, False, False
    )
    return lambda value: "".join(pieces(value, 0))


_encode = _encoder()


def canonicalise(value: object, *, max_depth: int = MAX_DEPTH) -> bytes:
    """The bytes of RFC 8785 of a JSON value; tuples count as lists.

    Raises:
        CanonicalFormError: A float, an integer beyond +-(2^53 - 1), a key that is no string,
            a lone surrogate, deeper than `max_depth`, or no JSON value at all.
    """
    try:
        if type(value) is str:  # most of what is spelled in parts
            return encode_basestring(value).encode()
        ascii_keys = _check_value(value, max_depth)
        if ascii_keys:
            return _encode(value).encode()
        return rfc8785.dumps(cast("Any", value))
    except (rfc8785.CanonicalizationError, UnicodeEncodeError) as error:
        raise CanonicalFormError("a string has a lone surrogate") from error


def canonicalise_plain(value: object) -> bytes:
    """The same of a value that `load_strict` read from a text that `is_plain`: it has refused
    whatever has no canonical form, and every key is ASCII."""
    return spell_plain(value).encode()


def spell_plain(value: object) -> str:
    """As `canonicalise_plain`, not yet as bytes."""
    return _encode(value)


def is_plain(text: bytes) -> bool:
    """Whether a JSON text can hold no character beyond ASCII."""
    return text.isascii() and b"\\u" not in text


def spell_object(members: Mapping[str, bytes]) -> bytes:
    """The bytes of RFC 8785 of an object whose members are spelled already: what
    `canonicalise` would give of the whole, without looking at the values again.

    Args:
        members: By name; each value as `canonicalise` gave it.

    Raises:
        CanonicalFormError: A name is not ASCII, so that it is not clear how names sort.
    """
    return b"{" + b",".join([spell_name(name) + members[name] for name in sorted(members)]) + b"}"


@lru_cache(maxsize=256)
def spell_name(name: str) -> bytes:
    """The name of a member with its colon; raises as `spell_object`."""
    if not name.isascii():
        raise CanonicalFormError("a name that is not ASCII")
    return _encode(name).encode() + b":"


def _check_value(value: object, depth: int) -> bool:
    """Refuse what has no canonical form; whether all keys are ASCII."""
    # Exact types: a subclass may print itself otherwise.
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return True
    if kind is int:
        if not -MAX_INTEGER <= cast("int", value) <= MAX_INTEGER:
            raise CanonicalFormError("an integer is beyond +-(2^53 - 1)")
        return True
    if depth == 0:
        raise CanonicalFormError("the value is nested too deeply")
    if kind is dict:
        ascii_keys = True
        for key, member in cast("dict[object, object]", value).items():
            if type(key) is not str:
                raise CanonicalFormError("a key is not a string")
            if not key.isascii():
                ascii_keys = False
            if not _check_value(member, depth - 1):
                ascii_keys = False
        return ascii_keys
    if kind is list or kind is tuple:
        ascii_keys = True
        for element in cast("Sequence[object]", value):
            if not _check_value(element, depth - 1):
                ascii_keys = False
        return ascii_keys
    raise CanonicalFormError(f"a value of type {kind.__name__} has no canonical form")


def check_canonical(
    data: bytes, *, max_bytes: int, max_depth: int = MAX_DEPTH, max_string: int = MAX_STRING
) -> Json:
    """Read bytes that must be in the form of RFC 8785 already.

    Raises:
        JsonError: Not JSON that we read.
        CanonicalFormError: The same value, spelled otherwise.
    """
    value = load_strict(data, max_bytes=max_bytes, max_depth=max_depth, max_string=max_string)
    if canonicalise(value, max_depth=max_depth) != data:
        raise CanonicalFormError("the bytes are not in the form of RFC 8785")
    return value


# --- reading -------------------------------------------------------------------------

# A string ends at its quote or, where that is missing, at the end: linear for any input.
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_NOT_BRACKETS_OR_QUOTES = bytes(set(range(256)) - set(b'[]{}"'))
_OPEN = ord("[")
_ALIKE = bytes.maketrans(b"{}", b"[]")  # how deep a text is does not ask which bracket it was
# Raw control characters below U+0020 never get here; the others only come by an escape,
# as DEL, or as U+0080 to U+009F in UTF-8.
_SUSPECT = re.compile(rb"[\\\x7f]|\xc2[\x80-\x9f]")
_BAD_CHARACTER = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def load_strict(
    data: bytes,
    *,
    max_bytes: int,
    max_depth: int = MAX_DEPTH,
    max_keys: int = MAX_KEYS,
    max_string: int = MAX_STRING,
    max_values: int | None = None,
    floats: bool = False,
) -> Json:
    """Read one JSON text (RFC 8259) of integers, strings, lists and objects.

    Args:
        max_bytes: Of the whole text.
        max_depth: Of lists and objects inside each other.
        max_keys: Of all objects together.
        max_string: Of each string or key, in bytes of UTF-8.
        max_values: Of members, elements, lists and objects together, roughly; they are
            counted before any is read.
        floats: Also read numbers with a fraction or an exponent, where finite. They have
            no canonical form here.

    Raises:
        JsonError: With the RFC 6901 pointer of the place, where one member is at fault.
    """
    if len(data) > max_bytes:
        raise JsonError(f"the text is longer than {max_bytes} bytes")
    if data.startswith(BOM_UTF8):
        raise JsonError("the text begins with a byte order mark")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise JsonError("the text is not UTF-8") from error
    _check_count(data, max_values)  # first: to follow a million brackets takes long
    _check_depth(data, max_depth)
    try:
        value = cast("Json", _decoder(keep=False, floats=floats).decode(text))
    except _RefusedError as refused:
        raise _located(text, floats, refused) from None
    except json.JSONDecodeError as error:
        raise JsonError(f"not JSON: {error.msg.lower()}, at character {error.pos}") from error
    # Every key has its colon; fewer colons than keys allowed need no count.
    if data.count(b":") > max_keys and _count_keys(value) > max_keys:
        raise JsonError(f"more than {max_keys} keys")
    if len(data) > max_string or _is_suspect(data):
        _check_strings(value, "", max_string)
    return value


def _is_suspect(data: bytes) -> bool:
    """Whether a string of a text may hold a character that is refused."""
    if data.isascii():  # ten times as fast as to search
        return b"\\" in data or b"\x7f" in data
    return _SUSPECT.search(data) is not None


def _check_depth(data: bytes, max_depth: int) -> None:
    # Before parsing, which is recursive: deep nesting must not reach the stack.
    if data.count(b"[") + data.count(b"{") <= max_depth:
        return
    if b"\\" in data:
        brackets = _STRING.sub(b"", data).translate(_ALIKE, _NOT_BRACKETS)
    else:  # every second quote ends a string, and this is ten times as fast
        brackets = data.translate(_ALIKE, _NOT_BRACKETS_OR_QUOTES).replace(b'""', b"")
        if b'"' in brackets:  # of strings with brackets in them
            brackets = b"".join(brackets.split(b'"')[::2])
    left = brackets
    for _ in range(max_depth):
        left = left.replace(b"[]", b"")  # the innermost
    if not left:
        return
    depth = 0  # too deep, or no JSON
    for bracket in brackets:
        depth += 1 if bracket == _OPEN else -1
        if depth > max_depth:
            raise JsonError(f"nested more than {max_depth} levels deep")


def _check_count(data: bytes, max_values: int | None) -> None:
    # Before parsing: a small value costs as much as a long one, and they are the many.
    if max_values is None or _count(data) <= max_values:
        return
    if _count(_STRING.sub(b"", data)) > max_values:
        raise JsonError(f"more than {max_values} values")


def _count(data: bytes) -> int:
    return data.count(b",") + data.count(b"[") + data.count(b"{")


class _RefusedError(Exception):
    """A token was refused inside the C scanner, which does not say where."""


class _Token:
    """A value that was refused, kept in its place to find where that is."""

    def __init__(self, detail: str) -> None:
        self.detail = detail


class _Hooks:
    """What the scanner calls. Refuses tokens at once or, to find them, in their place."""

    def __init__(self, *, keep: bool, floats: bool) -> None:
        self._keep = keep
        self._floats = floats

    def _refuse(self, detail: str) -> _Token:
        if not self._keep:
            raise _RefusedError(detail)
        return _Token(detail)

    def members(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        result = dict(pairs)
        if len(result) != len(pairs):
            seen: set[str] = set()
            twice = next(key for key, _ in pairs if key in seen or seen.add(key))
            result[twice] = self._refuse(_DUPLICATE)
        return result

    def integer(self, digits: str) -> object:
        # The length first: making a number of a million digits is slow.
        if len(digits) > 17 or not -MAX_INTEGER <= int(digits) <= MAX_INTEGER:
            return self._refuse("an integer beyond +-(2^53 - 1)")
        return int(digits)

    def fraction(self, digits: str) -> object:
        if self._floats and len(digits) <= _MAX_FLOAT and math.isfinite(float(digits)):
            return float(digits)
        return self._refuse("a number with a fraction or an exponent (write it as a string)")

    def constant(self, name: str) -> object:
        return self._refuse(f"{name} is not JSON")


@cache
def _decoder(*, keep: bool, floats: bool) -> json.JSONDecoder:
    hooks = _Hooks(keep=keep, floats=floats)
    return json.JSONDecoder(
        object_pairs_hook=hooks.members,
        parse_int=hooks.integer,
        parse_float=hooks.fraction,
        parse_constant=hooks.constant,
    )


def _located(text: str, floats: bool, refused: _RefusedError) -> JsonError:
    try:
        value = _decoder(keep=True, floats=floats).decode(text)
    except json.JSONDecodeError:
        kind = DuplicateKeyError if str(refused) == _DUPLICATE else JsonError
        return kind(str(refused))  # broken further on: no tree to look in
    places = ((pointer, found) for pointer, found in _walk(value, "") if type(found) is _Token)
    pointer, token = next(places)
    kind = DuplicateKeyError if token.detail == _DUPLICATE else JsonError
    return kind(token.detail, pointer=pointer)


def _walk(value: object, pointer: str) -> Iterator[tuple[str, object]]:
    yield pointer, value
    if isinstance(value, dict):
        for key, member in cast("dict[str, object]", value).items():
            yield from _walk(member, f"{pointer}/{escape_pointer(key)}")
    elif isinstance(value, list):
        for index, element in enumerate(cast("list[object]", value)):
            yield from _walk(element, f"{pointer}/{index}")


def _count_keys(value: Json) -> int:
    if isinstance(value, dict):
        return len(value) + sum(map(_count_keys, value.values()))
    return sum(map(_count_keys, value)) if isinstance(value, list) else 0


def escape_pointer(key: str) -> str:
    """One reference token of a JSON pointer (RFC 6901 section 3), safe to print."""
    escaped = key[:256].replace("~", "~0").replace("/", "~1")
    return "".join(char if char.isprintable() else "\ufffd" for char in escaped)


def _check_strings(value: Json, pointer: str, max_string: int) -> None:
    if isinstance(value, str):
        _check_string(value, pointer, max_string)
    elif isinstance(value, dict):
        for key, member in value.items():
            below = f"{pointer}/{escape_pointer(key)}"
            _check_string(key, below, max_string)
            _check_strings(member, below, max_string)
    elif isinstance(value, list):
        for index, element in enumerate(value):
            _check_strings(element, f"{pointer}/{index}", max_string)


def _check_string(text: str, pointer: str, max_string: int) -> None:
    if _BAD_CHARACTER.search(text):
        raise JsonError("a control character or a lone surrogate", pointer=pointer)
    if len(text) > max_string or (4 * len(text) > max_string < len(text.encode())):
        raise JsonError(f"a string longer than {max_string} bytes", pointer=pointer)
