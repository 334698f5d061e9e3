"""The document by which a gateway attests itself, format `charter-gateway-evidence/v1`.

    {"format": "charter-gateway-evidence/v1",
     "evidence": {"format": "charter-evidence/v1", "technology": "tpm", …},
     "decision_key": "-----BEGIN PUBLIC KEY-----…", "bundle": "sha256:…",
     "catalogue": "sha256:…", "origin": "ledger.example/eu", "made_at": "2026-11-22T10:00:00Z",
     "certification"?: {"attest", "signature", "public"}}

It is JSON in RFC 8785, named by the SHA-256 of its bytes. `certification` is that of the decision
key itself, where it is in the TPM (TPM2_Certify). The quote has as its qualifying data

    SHA-256("charter-gateway-evidence/v1" || 0x0A || SHA-256(SubjectPublicKeyInfo)
            || bundle || catalogue || origin)

with digests as 32 bytes and the origin in UTF-8. All before the origin has a fixed length, so
that two different documents have different data.
"""

import hashlib
import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from gateway.attestation.bundle import FORMAT as EVIDENCE_FORMAT
from gateway.attestation.bundle import EvidenceBundle, read_bundle
from gateway.attestation.errors import EvidenceError
from gateway.attestation.evidence import Technology
from gateway.errors import CanonicalFormError, JsonError, KeyMalformedError
from gateway.keys import DecisionPublicKey
from gateway.keys.encoding import decode_base64
from gateway.own_evidence.errors import (
    GatewayEvidenceMalformedError,
    GatewayEvidenceUnsupportedError,
)
from gateway.record.canonical import Json, canonicalise, load_strict
from gateway.verify.instant import parse_instant

FORMAT = "charter-gateway-evidence/v1"
LABEL = f"{FORMAT}\n".encode()
MAX_DOCUMENT = 256 * 1024
_CERTIFICATION = {"attest", "signature", "public"}
_MEMBERS = {"format", "evidence", "decision_key", "bundle", "catalogue", "origin", "made_at"}
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True)
class Bound:
    """What the quote is made over; digests as `sha256:` and 64 digits."""

    key: DecisionPublicKey
    bundle: str
    catalogue: str
    origin: str

    def data(self) -> bytes:
        """The qualifying data of the quote: 32 bytes."""
        digests = (self.key.key_id, _hex(self.bundle), _hex(self.catalogue))
        fixed = b"".join(bytes.fromhex(one) for one in digests)
        return hashlib.sha256(LABEL + fixed + self.origin.encode()).digest()


@dataclass(frozen=True)
class Certification:
    """What the attestation key says of another key of its TPM (TPM2_Certify): TPMS_ATTEST,
    TPMT_SIGNATURE, and the public area of that key."""

    attest: bytes
    signature: bytes
    public: bytes


@dataclass(frozen=True)
class Document:
    """A document as it was read, or made. `sha256` is that of its bytes, in hex."""

    bound: Bound
    evidence: EvidenceBundle
    made_at: datetime
    text: bytes
    certification: Certification | None = None

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.text).hexdigest()

    @property
    def digest(self) -> str:
        return f"sha256:{self.sha256}"


def write_document(
    bound: Bound,
    evidence: Mapping[str, bytes],
    ak_path: Sequence[bytes] = (),
    *,
    made_at: datetime,
    certification: Certification | None = None,
) -> Document:
    """The document of a quote.

    Args:
        evidence: Parts of the technology `tpm`; see `gateway.attestation.verifiers`.
        ak_path: The certificate of the attestation key and those above it, in DER.
        certification: Of the decision key.
    """
    parts: dict[str, Json] = {name: _base64(part) for name, part in evidence.items()}
    endorsements: dict[str, Json] = {"ak_path": [_base64(one) for one in ak_path]}
    value: dict[str, Json] = {
        "format": FORMAT,
        "evidence": {
            "format": EVIDENCE_FORMAT,
            "technology": Technology.TPM.value,
            "evidence": parts,
            "endorsements": endorsements if ak_path else {},
        },
        "decision_key": bound.key.pem,
        "bundle": bound.bundle,
        "catalogue": bound.catalogue,
        "origin": bound.origin,
        "made_at": made_at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
    }
    if certification is not None:
        value["certification"] = {k: _base64(v) for k, v in vars(certification).items()}
    return read_document(canonicalise(value))


def read_document(data: bytes) -> Document:
    """The document in the bytes.

    Raises:
        GatewayEvidenceMalformedError: It is none; the message names the member.
        GatewayEvidenceUnsupportedError: Of a format that is not known here.
    """
    value = _read(data)
    if value.get("format") != FORMAT:
        raise GatewayEvidenceUnsupportedError(f"the document is not of format {FORMAT}")
    if strange := sorted((value.keys() ^ _MEMBERS) - {"certification"}):
        raise GatewayEvidenceMalformedError(f"the document misses `{strange[0]:.40}`, or has it")
    texts = {name: _text(value, name) for name in _MEMBERS - {"format", "evidence"}}
    for name in ("bundle", "catalogue"):
        if _DIGEST.fullmatch(texts[name]) is None:
            raise GatewayEvidenceMalformedError(f"`{name}` of the document is no digest")
    try:
        key = DecisionPublicKey.from_pem(texts["decision_key"])
        made_at = parse_instant(texts["made_at"])
        evidence = read_bundle(canonicalise(value["evidence"]))
        certification = _certification(value)
    except (KeyMalformedError, EvidenceError, ValueError) as error:
        raise GatewayEvidenceMalformedError(f"the document: {error}") from error
    _check_evidence(evidence)
    bound = Bound(key, texts["bundle"], texts["catalogue"], texts["origin"])
    return Document(bound, evidence, made_at, data, certification)


def _certification(value: Mapping[str, Json]) -> Certification | None:
    if "certification" not in value:
        return None
    said = value["certification"]
    if not isinstance(said, dict) or said.keys() != _CERTIFICATION:
        raise ValueError("`certification` has exactly `attest`, `signature` and `public`")
    texts = {name: one if isinstance(one, str) else "?" for name, one in said.items()}
    return Certification(**{name: decode_base64(one) for name, one in texts.items()})


def _read(data: bytes) -> dict[str, Json]:
    try:
        value = load_strict(data, max_bytes=MAX_DOCUMENT, max_depth=6, max_string=MAX_DOCUMENT)
        if not isinstance(value, dict) or canonicalise(value) != data:
            raise GatewayEvidenceMalformedError("the document is no object in RFC 8785")
    except (JsonError, CanonicalFormError) as error:
        raise GatewayEvidenceMalformedError(f"the document is not strict JSON: {error}") from error
    return value


def _check_evidence(evidence: EvidenceBundle) -> None:
    """A quote of a TPM with the public area of its key: from that it shows that the key signs
    nothing but what its TPM made."""
    if evidence.technology is not Technology.TPM:
        raise GatewayEvidenceUnsupportedError(
            f"a gateway attests itself by a TPM, not by {evidence.technology.value}"
        )
    if evidence.gpus or set(evidence.evidence) != {"quote", "signature", "pcrs", "public"}:
        # With GPUs, the quote would be over what they answer and not over the document.
        raise GatewayEvidenceMalformedError(
            "the evidence has exactly `quote`, `signature`, `pcrs` and `public`, and no GPUs"
        )


def _text(value: Mapping[str, Json], name: str) -> str:
    found = value[name]
    if not isinstance(found, str) or not found:
        raise GatewayEvidenceMalformedError(f"`{name}` of the document is no text")
    return found


def _hex(digest: str) -> str:
    return digest.removeprefix("sha256:")


def _base64(data: bytes) -> str:
    return b64encode(data).decode()
