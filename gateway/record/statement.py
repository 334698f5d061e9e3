"""The signed payload: an in-toto Statement v1 about one request, with our predicate."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

from gateway.errors import (
    CanonicalFormError,
    DuplicateKeyError,
    JsonError,
    PayloadDuplicateKeyError,
    PayloadLookalikeKeyError,
    PayloadNotCanonicalError,
    StatementMalformedError,
)
from gateway.record.canonical import (
    Json,
    canonicalise,
    check_canonical,
)
from gateway.record.lookalikes import odd_names

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
# An identifier, not an address: nobody can register a name under .example (RFC 2606).
PREDICATE_TYPE = "https://charter.example/attestation/decision/v1"
SUBJECT = "request"

MAX_PAYLOAD = 1024 * 1024
# Room for the statement around the deepest predicate that a request can lead to.
MAX_PAYLOAD_DEPTH = 40

_SHA256_HEX = re.compile("[0-9a-f]{64}")
# A statement in RFC 8785 around its predicate and the digest of its subject.
_BEFORE = b'{"_type":%b,"predicate":' % canonicalise(STATEMENT_TYPE)
_AFTER = b',"predicateType":%b,"subject":[{"digest":{"sha256":"' % canonicalise(PREDICATE_TYPE)
_END = b'"},"name":%b}]}' % canonicalise(SUBJECT)


@dataclass(frozen=True, slots=True)
class Statement:
    """`request_digest` is the SHA-256 of the request in RFC 8785, in hex."""

    request_digest: str
    predicate: Mapping[str, Json]


def digest_request(request: object) -> str:
    """SHA-256 of a request in RFC 8785, in hex.

    Raises:
        CanonicalFormError: The request has no canonical form.
    """
    return sha256(canonicalise(request)).hexdigest()


def digest_text(text: str) -> str:
    """The same of a request that is in RFC 8785 already."""
    return sha256(text.encode()).hexdigest()


def write_statement(statement: Statement) -> bytes:
    """The payload to sign: the statement in RFC 8785.

    Raises:
        CanonicalFormError: The predicate has no canonical form.
        StatementMalformedError: The digest is none, or the payload would be too large.
    """
    predicate = canonicalise(statement.predicate, max_depth=MAX_PAYLOAD_DEPTH - 1)
    return state_predicate(statement.request_digest, predicate)


def state_predicate(request_digest: str, predicate: bytes) -> bytes:
    """The payload to sign of a predicate that is in RFC 8785 already.

    Raises:
        StatementMalformedError: The digest is none, or the payload would be too large.
    """
    if not _SHA256_HEX.fullmatch(request_digest):
        raise StatementMalformedError("the digest of the request is no SHA-256 in hex")
    payload = b"".join((_BEFORE, predicate, _AFTER, request_digest.encode(), _END))
    if len(payload) > MAX_PAYLOAD:
        raise StatementMalformedError(f"the payload is longer than {MAX_PAYLOAD} bytes")
    return payload


def read_statement(payload: bytes) -> Statement:
    """Read a payload whose signature already held.

    Raises:
        PayloadNotCanonicalError: Not strict JSON in the form of RFC 8785; of its own class
            where a name stands twice or only looks like another.
        StatementMalformedError: Another type, another predicate, or not one subject.
    """
    try:
        value = check_canonical(
            payload, max_bytes=MAX_PAYLOAD, max_depth=MAX_PAYLOAD_DEPTH, max_string=MAX_PAYLOAD
        )
    except DuplicateKeyError as error:
        raise PayloadDuplicateKeyError(f"in the payload, {error}") from error
    except (JsonError, CanonicalFormError) as error:
        raise PayloadNotCanonicalError(f"the payload is not canonical JSON: {error}") from error
    if odd := next(odd_names(value), None):
        raise PayloadLookalikeKeyError(f"a name in the payload is not plain: {ascii(odd)[:80]}")
    members = {"_type", "predicate", "predicateType", "subject"}
    if not isinstance(value, dict) or value.keys() != members:
        raise StatementMalformedError(f"a statement has exactly {', '.join(sorted(members))}")
    _expect(value["_type"], STATEMENT_TYPE, "_type")
    _expect(value["predicateType"], PREDICATE_TYPE, "predicateType")
    predicate = value["predicate"]
    if not isinstance(predicate, dict):
        raise StatementMalformedError("the predicate is no object")
    return Statement(_read_subject(value["subject"]), predicate)


def _expect(found: Json, expected: str, name: str) -> None:
    if found != expected:
        raise StatementMalformedError(f"{name} is not {expected}")


def _read_subject(subject: Json) -> str:
    match subject:
        case [{"name": "request", "digest": {"sha256": str(digest), **others}, **members}] if (
            not others and not members and _SHA256_HEX.fullmatch(digest)
        ):
            return digest
        case _:
            raise StatementMalformedError("the subject is not one request with its SHA-256")
