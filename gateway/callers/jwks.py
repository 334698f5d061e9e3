"""Keys of an issuer (RFC 7517): read, kept, and read again within bounds."""

import asyncio
import json
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import cast

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from gateway.errors import (
    AuthenticationError,
    CallersUnavailableError,
    FetchError,
    IssuerKeysError,
)

MAX_KEYS = 100
MIN_RSA_BITS = 2048
MAX_AGE_S = 3600.0  # after which they are read again
MAX_STALE_S = 24 * 3600.0  # after which they do not count, if they cannot be read again
RETRY_S = 30.0  # between two attempts, however many unknown key ids are asked for

log = logging.getLogger("charter")

PublicKey = RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey


@dataclass(frozen=True)
class IssuerKey:
    """A key, and the one algorithm that it is for."""

    algorithm: str
    key: PublicKey


def read_keys(data: bytes) -> Mapping[str | None, IssuerKey]:
    """The keys of a JWK set by their id; those of other uses and kinds are left out. None is
    the id of a key that has none, where it is the only one.

    Raises:
        IssuerKeysError: It is no JWK set, has too many keys, an id twice, a private key, or
            none that could be used.
    """
    try:
        value = cast("object", json.loads(data))
    except (ValueError, RecursionError) as error:
        raise IssuerKeysError("this is not JSON") from error
    listed = value.get("keys") if isinstance(value, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    if not isinstance(listed, list) or len(listed) > MAX_KEYS:  # pyright: ignore[reportUnknownArgumentType]
        raise IssuerKeysError(f"this is no JWK set of at most {MAX_KEYS} keys")
    found: dict[str | None, IssuerKey] = {}
    for item in cast("list[object]", listed):
        if not isinstance(item, dict):
            raise IssuerKeysError("a key is no object")
        jwk = cast("dict[str, object]", item)
        key = _read_key(jwk)
        if key is None:
            continue
        key_id = jwk.get("kid")
        if not isinstance(key_id, str | None) or key_id in found:
            raise IssuerKeysError("two keys have one id")
        found[key_id] = key
    if not found or (None in found and len(found) > 1):
        raise IssuerKeysError("it has no key that can be used, or one of several has no id")
    return found


def _read_key(jwk: dict[str, object]) -> IssuerKey | None:
    """A key to verify signatures with, or None where it is another."""
    if jwk.get("use", "sig") != "sig":
        return None
    operations = jwk.get("key_ops", ["verify"])
    if not isinstance(operations, list) or "verify" not in operations:
        return None
    algorithm = _algorithm(jwk)
    if algorithm is None or jwk.get("alg", algorithm) != algorithm:
        return None
    if "d" in jwk:
        raise IssuerKeysError("it publishes a private key")
    try:
        key = cast("object", jwt.PyJWK.from_dict(jwk, algorithm).key)
    except (jwt.PyJWTError, ValueError, TypeError) as error:
        raise IssuerKeysError("a key cannot be read") from error
    if isinstance(key, RSAPublicKey) and key.key_size < MIN_RSA_BITS:
        raise IssuerKeysError(f"an RSA key has fewer than {MIN_RSA_BITS} bits")
    if not isinstance(key, RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey):
        raise IssuerKeysError("a key is not public")
    return IssuerKey(algorithm, key)


def _algorithm(jwk: Mapping[str, object]) -> str | None:
    """What a key is for follows from the key, never from the token. A shared secret (`oct`)
    is for nothing: who verifies with it could sign as well."""
    match jwk.get("kty"), jwk.get("crv"):
        case "RSA", None:
            return "RS256"
        case "EC", "P-256":
            return "ES256"
        case "OKP", "Ed25519":
            return "EdDSA"
        case _:
            return None


class IssuerKeys:
    """The keys of one issuer, read when they are needed.

    Args:
        name: Whose they are, for messages.
        read: Gives the JWK set; it may block, and is called in a thread.
        seconds: A clock that never steps back.
    """

    def __init__(
        self,
        name: str,
        read: Callable[[], bytes],
        *,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._read = read
        self._seconds = seconds
        self._keys: Mapping[str | None, IssuerKey] = {}
        self._read_at: float | None = None
        self._tried_at: float | None = None
        self._lock = asyncio.Lock()
        self._refreshing: asyncio.Task[None] | None = None

    async def find(self, key_id: str | None) -> IssuerKey:
        """The key of that id, which is looked for once more where it is not known.

        Raises:
            AuthenticationError: The issuer has no such key.
            CallersUnavailableError: Its keys cannot be read.
        """
        if not self._count() or key_id not in self._keys:
            await self._refresh()
        elif self._age() > MAX_AGE_S and self._may_try():
            # Those that are here still count: nobody has to wait.
            self._refreshing = asyncio.create_task(self._refresh())
        if not self._count():
            raise CallersUnavailableError(f"the keys of {self._name} cannot be read")
        if key_id not in self._keys:
            raise AuthenticationError("this token is not known here")
        return self._keys[key_id]

    def _age(self) -> float:
        return float("inf") if self._read_at is None else self._seconds() - self._read_at

    def _count(self) -> bool:
        return self._age() <= MAX_STALE_S

    def _may_try(self) -> bool:
        return self._tried_at is None or self._seconds() - self._tried_at >= RETRY_S

    async def _refresh(self) -> None:
        async with self._lock:
            if not self._may_try():
                return
            self._tried_at = self._seconds()
            try:
                keys = read_keys(await asyncio.to_thread(self._read))
            except (FetchError, IssuerKeysError, OSError) as error:
                log.warning("the keys of %s cannot be read: %s", self._name, error)
                return
            self._keys, self._read_at = keys, self._seconds()
