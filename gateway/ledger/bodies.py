"""How bodies are kept: compressed against a text that the ledger holds under its digest.

    form 2  the body as it is
    form 3  a Zstandard frame (RFC 8878) of the body
    form 4  a DSSE envelope taken apart, so that it compresses: the length of the payload in 4
            bytes, that of what follows up to the first signature in 2, that of the signature in
            1; the signature; and a frame of the payload, of what follows it, and of the rest
    form 5  erased: as many zeros as the data had

The base64 of the payload and of the first signature is taken off where it is in its one form,
so that it comes back the same. Forms are of one size, so that an erasure moves nothing in the file.
"""

import binascii
import hashlib
import sqlite3
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import cast

from zstandard import (
    DICT_TYPE_RAWCONTENT,
    ZstdCompressionDict,
    ZstdCompressionParameters,
    ZstdCompressor,
    ZstdDecompressor,
    ZstdError,
    get_frame_parameters,
)

from gateway.errors import LedgerError

MAX_UNPACKED = 4 * 1024 * 1024 + 1024
MAX_TEXT = 1024 * 1024
LEVEL = 7
# Of that level, for what differs little from a text of 256 KB: a table of half a megabyte in
# place of four, which the thread that writes finds in no cache when it wakes up; and no match
# of five bytes, which would spare nothing.
_TABLE_LOG = 17
_SHORTEST_MATCH = 6
_SHORTEST = 64  # below, a frame spares nothing
_LENGTHS = struct.Struct(">IHB")
_BEFORE = b'{"payload":"'
_SIGNATURE = b'"sig":"'


_settings = cast(
    "Callable[..., ZstdCompressionParameters]",
    ZstdCompressionParameters.from_level,  # pyright: ignore[reportUnknownMemberType]
)


class Form(IntEnum):
    """How the data of a row is to be read."""

    PLAIN = 2
    FRAME = 3
    ENVELOPE = 4
    ERASED = 5


@dataclass(frozen=True, slots=True)
class Packed:
    """A body as it is kept. `text` is the number of the text that it is a difference from, 0
    where it is from none."""

    form: int
    text: int
    data: bytes


# --- packing -------------------------------------------------------------------------


class Packer:
    """Packs bodies against one text, of which the last `MAX_TEXT` bytes count. Belongs to one
    thread. `number` is that of the text in the ledger."""

    def __init__(self, text: bytes = b"") -> None:
        self.text = text[-MAX_TEXT:]
        self.digest = hashlib.sha256(self.text).digest()
        self.number = 0
        self._compressor = _compressor_of(self.text)

    def pack(self, bodies: Sequence[bytes]) -> list[Packed]:
        """Pack bodies, in the same order."""
        apart = [_take_apart(body) for body in bodies]
        whole = [
            body if taken is None else taken[1] for body, taken in zip(bodies, apart, strict=True)
        ]
        packed: list[Packed] = []
        for body, taken, frame in zip(bodies, apart, self._compress(whole), strict=True):
            form, data = (Form.FRAME, frame) if taken is None else (Form.ENVELOPE, taken[0] + frame)
            if len(data) < len(body) and len(body) >= _SHORTEST:
                packed.append(Packed(form, self.number, data))
            else:
                packed.append(Packed(Form.PLAIN, 0, body))
        return packed

    def _compress(self, bodies: Sequence[bytes]) -> list[bytes]:
        if len(bodies) == 1:
            return [self._compressor.compress(bodies[0])]
        # In one go: each call lets go of the interpreter, and where another thread is busy it
        # takes milliseconds to get it back.
        found = self._compressor.multi_compress_to_buffer(list(bodies), threads=1)
        return [found[at].tobytes() for at in range(len(bodies))]


def _compressor_of(text: bytes) -> ZstdCompressor:
    # The number of the text stands in the row, and a digest is over the whole body.
    if not text:
        return ZstdCompressor(level=LEVEL, write_checksum=False, write_dict_id=False)
    settings = _settings(
        LEVEL,
        hash_log=_TABLE_LOG,
        min_match=_SHORTEST_MATCH,
        write_checksum=False,
        write_dict_id=False,
    )
    dictionary = ZstdCompressionDict(text, dict_type=DICT_TYPE_RAWCONTENT)
    dictionary.precompute_compress(compression_params=settings)  # pyright: ignore[reportUnknownMemberType]
    return ZstdCompressor(compression_params=settings, dict_data=dictionary)


class Enveloped(bytes):
    """An envelope whose payload is at hand: to find it again takes as long as to compress it."""

    payload: bytes

    def __new__(cls, body: bytes, payload: bytes) -> "Enveloped":
        made = super().__new__(cls, body)
        made.payload = payload
        return made

    @staticmethod
    def around(payload: bytes, rest: bytes) -> "Enveloped":
        """The envelope of a payload, of which the rest follows its base64."""
        written = binascii.b2a_base64(payload, newline=False)
        return Enveloped(b"".join((_BEFORE, written, rest)), payload)

    def rest(self) -> bytes | None:
        """What follows the base64 of the payload; None where it is not there in its one form."""
        end = len(_BEFORE) + (len(self.payload) + 2) // 3 * 4
        is_there = self.startswith(_BEFORE) and self[end : end + 1] == b'"'
        if is_there and _is_written(self.payload, self[len(_BEFORE) : end]):
            return self[end:]
        return None


def _take_apart(body: bytes) -> tuple[bytes, bytes] | None:
    """What is kept of an envelope as it is, and what is compressed; None where it does not
    come back the same."""
    if not body.startswith(_BEFORE):
        return None
    end = body.find(b'"', len(_BEFORE))
    begin = body.find(_SIGNATURE, end) + len(_SIGNATURE)
    last = body.find(b'"', begin)
    if end < 0 or begin < len(_SIGNATURE) or last < 0:
        return None
    written = body[len(_BEFORE) : end]
    try:
        payload = body.payload if isinstance(body, Enveloped) else _from_base64(written)
        signature = _from_base64(body[begin:last])
    except binascii.Error:
        return None
    between, rest = body[end:begin], body[last:]
    if len(signature) > 0xFF or len(between) > 0xFFFF or not _is_written(payload, written):
        return None
    head = _LENGTHS.pack(len(payload), len(between), len(signature)) + signature
    return head, b"".join((payload, between, rest))


def _from_base64(text: bytes) -> bytes:
    """Raises `binascii.Error` unless encoding it again gives the same."""
    data = binascii.a2b_base64(text, strict_mode=True)
    if not _is_written(data, text):
        raise binascii.Error("not as it would be written")
    return data


def _is_written(data: bytes, text: bytes) -> bool:
    """Whether base64 of nothing but its letters, or of these very data, is their one form: what
    can differ is the length, and what unused bits of the last group say."""
    if len(text) != (len(data) + 2) // 3 * 4:
        return False
    last = data[len(data) - (len(data) % 3 or 3) :] if data else b""
    return binascii.b2a_base64(last, newline=False) == text[-4:]


def _put_together(payload: bytes, between: bytes, signature: bytes, rest: bytes) -> bytes:
    return b"".join(
        (
            _BEFORE,
            binascii.b2a_base64(payload, newline=False),
            between,
            binascii.b2a_base64(signature, newline=False),
            rest,
        )
    )


# --- unpacking -----------------------------------------------------------------------


class Unpacker:
    """Gives bodies back, for one connection and one thread at a time."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._decompressors: dict[int, ZstdDecompressor] = {0: ZstdDecompressor()}

    def unpack(self, packed: Packed) -> bytes:
        """The body of a row, of `MAX_UNPACKED` bytes at most.

        Raises:
            LedgerError: The row is none that was written here.
        """
        try:
            match packed.form:
                case Form.PLAIN:
                    return packed.data
                case Form.FRAME:
                    return self._decompress(packed.text, packed.data)
                case Form.ENVELOPE:
                    return self._envelope(packed)
                case _:
                    raise LedgerError(f"its body is not there, or of form {packed.form}")
        except (ZstdError, struct.error) as error:
            raise LedgerError(f"its body cannot be unpacked: {error}") from error

    def _envelope(self, packed: Packed) -> bytes:
        payload, between, signature = _LENGTHS.unpack_from(packed.data)
        begin = _LENGTHS.size + signature
        whole = self._decompress(packed.text, packed.data[begin:])
        return _put_together(
            whole[:payload],
            whole[payload : payload + between],
            packed.data[_LENGTHS.size : begin],
            whole[payload + between :],
        )

    def _decompress(self, text: int, frame: bytes) -> bytes:
        # What the frame says is what is allocated.
        size = get_frame_parameters(frame).content_size
        if not 0 <= size <= MAX_UNPACKED:
            raise LedgerError(f"its body would have {size} bytes")
        if text not in self._decompressors:
            self._decompressors[text] = self._load(text)
        return self._decompressors[text].decompress(frame, allow_extra_data=False)

    def _load(self, number: int) -> ZstdDecompressor:
        query = "SELECT digest, data FROM text WHERE number = ?"
        row = self._connection.execute(query, (number,)).fetchone()
        if row is None or hashlib.sha256(row[1]).digest() != row[0]:
            raise LedgerError(f"text {number}, from which it differs, is not what was stored")
        dictionary = ZstdCompressionDict(row[1], dict_type=DICT_TYPE_RAWCONTENT)
        return ZstdDecompressor(dict_data=dictionary)
