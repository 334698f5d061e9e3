"""Concise reference integrity manifests (draft-ietf-rats-corim), unsigned and signed, read and
checked. What of one can be compared with evidence here: `gateway.attestation.corim_rows`.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from gateway import cbor, cose
from gateway.attestation.corim_comid import Comid, parse_comid
from gateway.attestation.corim_values import (
    OID,
    URI,
    Members,
    Period,
    id_of,
    instant_of,
    list_of,
    map_of,
    oid_of,
    period_of,
    text_of,
)
from gateway.attestation.errors import (
    EvidenceError,
    EvidenceIncompleteError,
    EvidenceMalformedError,
    EvidenceSignatureError,
    EvidenceUnsupportedError,
)

MAX_CORIM = 1024 * 1024
_CORIM, _COMID = 501, 506
_OLD = (500, 502)  # wrappers of older drafts
_CONTENT_TYPE, _KID, _META, _CWT, _HASH_ENVELOPE = 3, 4, 8, 15, 258
_TYPE = "application/rim+cbor"
# What a tag may be besides a CoMID.
_TAGS = {505: "a CoSWID tag", 508: "a list of tags (CoTL)"}


@dataclass(frozen=True)
class Corim:
    """A manifest as it was read. `message` is None where it is not signed."""

    sha256: str
    id: str
    profile: str | None
    period: Period
    comids: tuple[Comid, ...]
    others: tuple[str, ...]
    message: cose.Sign1 | None = None
    signer: str = ""
    signed: Period = field(default_factory=Period)


@dataclass(frozen=True)
class Signer:
    """Whose manifests count, by the word of the operator. With `kid`, for that key id alone."""

    name: str
    key: cose.PublicKey
    kid: bytes | None = None


def parse_corim(data: bytes) -> Corim:
    """The manifest in the bytes: tag 501, or a COSE_Sign1 around it (section 4).

    Raises:
        EvidenceMalformedError: It is none.
        EvidenceUnsupportedError: Of an older draft, or signed by its hash alone.
    """
    if len(data) > MAX_CORIM:
        raise EvidenceMalformedError(f"a CoRIM of more than {MAX_CORIM} bytes")
    digest = hashlib.sha256(data).hexdigest()
    try:
        whole = cbor.loads(data)
        if not isinstance(whole, cbor.Tagged):
            raise EvidenceMalformedError(f"a CoRIM is under tag {_CORIM} or {cose.TAG}")
        if whole.tag in _OLD:
            raise EvidenceUnsupportedError(f"a CoRIM of an older draft, under tag {whole.tag}")
        if whole.tag != cose.TAG:
            return _manifest(whole, digest)
        return _signed(cose.parse_sign1(data), digest)
    except (cbor.CborError, cose.CoseError) as error:
        raise EvidenceMalformedError(f"no CoRIM: {error}") from error


def _signed(message: cose.Sign1, digest: str) -> Corim:
    if _HASH_ENVELOPE in message.protected:
        raise EvidenceUnsupportedError("the CoRIM is signed by its hash alone")
    if message.protected.get(_CONTENT_TYPE) != _TYPE:
        raise EvidenceUnsupportedError(f"the content of the message is not `{_TYPE}`")
    if message.payload is None:
        raise EvidenceMalformedError("the signed message has no content")
    signer, period = _meta(message.protected)
    found = _manifest(cbor.loads(message.payload), digest)
    return replace(found, message=message, signer=signer, signed=period)


def _meta(protected: Members) -> tuple[str, Period]:
    """Who says that it signed, and for how long (sections 4.2.2 and 4.2.3)."""
    told: list[tuple[str, Period]] = []
    if _META in protected:
        raw = protected[_META]
        meta = map_of(cbor.loads(raw) if isinstance(raw, bytes) else None, "the meta map")
        name = text_of(map_of(meta.get(0), "the signer").get(0), "the name of the signer")
        told.append((name, period_of(meta.get(1), "signature-validity")))
    if _CWT in protected:
        claims = map_of(protected[_CWT], "the CWT claims")
        ends, begins = instant_of(claims.get(4), "exp"), instant_of(claims.get(5), "nbf")
        told.append((text_of(claims.get(1), "the issuer"), Period(begins, ends)))
    if not told:
        raise EvidenceMalformedError("the signed message does not say who signed it")
    if told[0] != told[-1]:
        raise EvidenceMalformedError("the meta map and the CWT claims contradict one another")
    return told[0]


def _manifest(value: cbor.Value, digest: str) -> Corim:
    if not isinstance(value, cbor.Tagged) or value.tag != _CORIM:
        raise EvidenceMalformedError(f"a CoRIM is under tag {_CORIM}")
    members = map_of(value.value, "the CoRIM")
    comids: list[Comid] = []
    others = [f"the CoRIM has a member {key!r:.40}" for key in members if key not in range(6)]
    if 2 in members:
        others.append("the CoRIM depends on others")
    for tag in list_of(members.get(1), "the tags of the CoRIM"):
        if not isinstance(tag, cbor.Tagged) or not isinstance(tag.value, bytes):
            raise EvidenceMalformedError("a tag of the CoRIM is no tagged string of bytes")
        if tag.tag == _COMID:
            comids.append(parse_comid(tag.value))
        else:
            others.append(_TAGS.get(tag.tag, f"a tag of kind {tag.tag}"))
    profile = members.get(3)
    return Corim(
        digest,
        id_of(members.get(0), "the id of the CoRIM"),
        None if profile is None else _profile(profile),
        period_of(members.get(4), "rim-validity"),
        tuple(comids),
        tuple(sorted(others)),
    )


def _profile(value: cbor.Value) -> str:
    if isinstance(value, cbor.Tagged) and value.tag == OID:
        return oid_of(value.value)
    if isinstance(value, cbor.Tagged) and value.tag == URI:
        value = value.value
    return text_of(value, "the profile")


# --- whose word it is ----------------------------------------------------------------


def verify_corim(
    corim: Corim, *, signers: Sequence[Signer], at: datetime, is_vouched: bool = False
) -> Signer | None:
    """Check who signed a manifest, and that it counts at an instant.

    Args:
        signers: Whose word counts. Certificates and keys in the message itself are not looked
            at: with a key of its own, every message holds.
        is_vouched: The operator vouches for a manifest that nobody signed.

    Returns:
        The signer; None where it is the operator who vouches.

    Raises:
        EvidenceIncompleteError: Nobody signed it, or nobody who is pinned.
        EvidenceSignatureError: The key of a pinned signer, and the signature does not hold.
        EvidenceExpiredError: It does not count at that instant.
    """
    if corim.message is not None:
        signer = _signer(corim.message, signers)
    elif is_vouched:
        signer = None
    else:
        raise EvidenceIncompleteError("the CoRIM is not signed, and nobody vouches for it")
    corim.signed.check(at, "the signature of the CoRIM")
    corim.period.check(at, "the CoRIM")
    return signer


def _signer(message: cose.Sign1, signers: Sequence[Signer]) -> Signer:
    kid = message.protected.get(_KID, message.unprotected.get(_KID))
    failed: EvidenceError | None = None
    for signer in signers:
        if signer.kid is not None and signer.kid != kid:
            continue
        try:
            cose.verify_sign1(message, signer.key)
        except cose.CoseAlgorithmError:
            continue  # no key of that algorithm, so not the signer
        except cose.CoseSignatureError:
            failed = EvidenceSignatureError("the signature is of no signer that is pinned")
        except cose.CoseError as error:
            raise EvidenceMalformedError(f"the signed message does not count: {error}") from error
        else:
            return signer
    raise failed or EvidenceIncompleteError("no signer that is pinned has a key that fits")
