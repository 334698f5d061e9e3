"""What the tree holds: a commitment to a body, not the body.

    charter-entry/v1
    sha256:<hex of SHA-256(salt || body)>

A body can be erased later, and every proof still holds; the salt, 32 random bytes, keeps
the erased body from being guessed (GDPR art 17). The leaf is the RFC 6962 leaf hash of
the two lines.
"""

import hashlib

from gateway.ledger.merkle import leaf_hash

SALT_SIZE = 32
DIGEST_SIZE = 32
_ENTRY = "charter-entry/v1\nsha256:{}\n"
# From 2048 bytes on, `hashlib` lets go of the interpreter. A record is hashed in 5 µs, and
# where another thread is busy it can take milliseconds to get the interpreter back.
_HASHED_AT_ONCE = 2047
# What is longer takes long enough that others should have the interpreter meanwhile.
_LARGE = 64 * 1024


def commit(salt: bytes, body: bytes) -> bytes:
    """The digest that an entry commits to: SHA-256 of the 32 bytes of salt and the body."""
    if len(salt) != SALT_SIZE:
        raise ValueError(f"a salt has {SALT_SIZE} bytes, not {len(salt)}")
    digest = hashlib.sha256(salt)
    if len(body) > _LARGE:
        digest.update(body)
        return digest.digest()
    for at in range(0, len(body), _HASHED_AT_ONCE):
        digest.update(body[at : at + _HASHED_AT_ONCE])
    return digest.digest()


def entry_bytes(commitment: bytes) -> bytes:
    """The entry, as the leaf hash takes it."""
    return _ENTRY.format(commitment.hex()).encode()


def entry_leaf(commitment: bytes) -> bytes:
    """The hash of the leaf that holds the entry."""
    return leaf_hash(entry_bytes(commitment))
