"""The digest of an entry: the same however its body is handed to the hash function."""

import hashlib
from typing import Any

import pytest

from gateway.ledger import entry
from gateway.ledger.entry import commit

SALT = bytes(range(32))
SIZES = (1, 2046, 2047, 2048, 4094, 4095, 9824, 65_535, 65_536, 65_537, 200_000)


def _body(size: int) -> bytes:
    return bytes(number * 7 % 251 for number in range(size))


@pytest.mark.parametrize("size", SIZES)
def test_the_digest_is_that_of_salt_and_body(size: int) -> None:
    assert commit(SALT, _body(size)) == hashlib.sha256(SALT + _body(size)).digest()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("place", [0, 2046, 2047, 2048, -1])
def test_one_byte_changed_anywhere_is_another_digest(size: int, place: int) -> None:
    body = bytearray(_body(size))
    place = max(-size, min(place, size - 1))
    body[place] ^= 1
    assert commit(SALT, bytes(body)) != commit(SALT, _body(size))


@pytest.mark.parametrize("size", SIZES)
def test_a_body_cut_short_or_lengthened_is_another_digest(size: int) -> None:
    digests = {commit(SALT, _body(size + more)) for more in (-1, 0, 1)}
    assert len(digests) == 3


@pytest.mark.parametrize(("size", "lets_go"), [(9824, False), (65_536, False), (65_537, True)])
def test_only_a_large_body_lets_go_of_the_interpreter(
    monkeypatch: pytest.MonkeyPatch, size: int, lets_go: bool
) -> None:
    # `hashlib` does so from 2048 bytes on, and a busy event loop keeps it for milliseconds.
    given: list[int] = []

    class Counted:
        def __init__(self, data: bytes) -> None:
            self._hash = _sha256(data)
            given.append(len(data))

        def update(self, data: bytes) -> None:
            given.append(len(data))
            self._hash.update(data)

        def digest(self) -> bytes:
            return self._hash.digest()

    _sha256: Any = hashlib.sha256
    monkeypatch.setattr(entry.hashlib, "sha256", Counted)
    commit(SALT, _body(size))
    assert sum(given) == len(SALT) + size
    assert (max(given) >= 2048) is lets_go
