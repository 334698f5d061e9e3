"""Parts that manifests are made of (draft-ietf-rats-corim, section 7): identifiers as texts that
are never the same for two, instants and periods."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from gateway import cbor
from gateway.attestation.errors import EvidenceExpiredError, EvidenceMalformedError

MAX_TEXT = 80
BYTES, UUID_TAG, OID, URI, TIME = 560, 37, 111, 32, 1
_LAST = datetime(9999, 12, 31, tzinfo=UTC).timestamp()

Members = Mapping[cbor.Key, cbor.Value]


@dataclass(frozen=True)
class Period:
    """Both instants belong to it; without one it is open on that side."""

    begins: datetime | None = None
    ends: datetime | None = None

    def check(self, at: datetime, what: str) -> None:
        if self.begins is not None and at < self.begins:
            raise EvidenceExpiredError(f"{what} does not count before {self.begins:%Y-%m-%d}")
        if self.ends is not None and at > self.ends:
            raise EvidenceExpiredError(f"{what} does not count after {self.ends:%Y-%m-%d}")


def map_of(value: cbor.Value, what: str) -> Members:
    if not isinstance(value, dict):
        raise EvidenceMalformedError(f"{what} is missing or no map")
    return value


def list_of(value: cbor.Value, what: str) -> list[cbor.Value]:
    if not isinstance(value, list) or not value:
        raise EvidenceMalformedError(f"{what} are missing or no list")
    return value


def text_of(value: cbor.Value, what: str) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= MAX_TEXT or not value.isprintable():
        raise EvidenceMalformedError(f"{what} is no text of 1 to {MAX_TEXT} plain characters")
    return value


def id_of(value: cbor.Value, what: str) -> str:
    if isinstance(value, bytes) and len(value) == 16:
        return str(UUID(bytes=value))
    return text_of(value, what)


def spelled(value: cbor.Value) -> str:
    """An identifier, so that two of them never read the same."""
    if isinstance(value, cbor.Tagged):
        if value.tag == OID:
            return oid_of(value.value)
        if isinstance(value.value, bytes) and 0 < len(value.value) <= 1024:
            if value.tag == UUID_TAG and len(value.value) == 16:
                return str(UUID(bytes=value.value))
            return f"{value.tag}:{value.value.hex()}"
        return f"{value.tag}:sha256:{hashlib.sha256(cbor.dumps(value.value)).hexdigest()}"
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return repr(text_of(value, "an identifier"))


def oid_of(value: cbor.Value) -> str:
    """Dotted, of its BER content (RFC 9090)."""
    if not isinstance(value, bytes) or not 0 < len(value) <= MAX_TEXT or value[-1] & 0x80:
        raise EvidenceMalformedError("an object identifier cannot be read")
    arcs, number = list[int](), 0
    for byte in value:
        if number == 0 and byte == 0x80:
            raise EvidenceMalformedError("an object identifier is not in its shortest form")
        number = number << 7 | byte & 0x7F
        if byte < 0x80:
            arcs.append(number)
            number = 0
    first = min(arcs[0] // 40, 2)
    return ".".join(str(arc) for arc in (first, arcs[0] - 40 * first, *arcs[1:]))


def period_of(value: cbor.Value, what: str) -> Period:
    if value is None:
        return Period()
    members = map_of(value, what)
    if 1 not in members or members.keys() - {0, 1}:
        raise EvidenceMalformedError(f"{what} has an end and may have a beginning")
    for one in members.values():
        if not isinstance(one, cbor.Tagged) or one.tag != TIME:
            raise EvidenceMalformedError(f"{what} is no time since 1970")
    begins = instant_of(members[0], what) if 0 in members else None
    return Period(begins, instant_of(members[1], what))


def instant_of(value: cbor.Value, what: str) -> datetime | None:
    """Seconds since 1970, with a tag or without one."""
    if value is None:
        return None
    seconds = value.value if isinstance(value, cbor.Tagged) and value.tag == TIME else value
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)):
        raise EvidenceMalformedError(f"{what} is no time since 1970")
    if not 0 <= seconds <= _LAST:  # nor is NaN
        raise EvidenceMalformedError(f"{what} is not between 1970 and 9999")
    return datetime.fromtimestamp(seconds, UTC)
