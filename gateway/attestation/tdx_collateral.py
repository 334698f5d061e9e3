"""Statements and revocation lists of Intel, as they come, and whether they are Intel's: each
statement is signed over the exact bytes of an object (Intel, "Provisioning Certification
Service", API v4).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.attestation.chain import check_crl, read_crl, read_pem_chain, verify_chain
from gateway.attestation.errors import (
    EvidenceChainError,
    EvidenceExpiredError,
    EvidenceMalformedError,
    EvidenceSignatureError,
)
from gateway.attestation.tdx_statements import MAX_STATEMENT, Kind, read_statement
from gateway.errors import JsonError
from gateway.record.canonical import load_strict

MAX_COLLATERAL = 512 * 1024
_SIGNER = "Intel SGX TCB Signing"


@dataclass(frozen=True)
class Signed:
    """A statement as it was served.

    Attributes:
        raw: The bytes of the object that is signed.
        pem: The chain of the signer: its certificate and the root.
    """

    raw: bytes
    signature: bytes
    pem: bytes


@dataclass(frozen=True)
class Collateral:
    """What Intel states, as far as it was kept; what is None is lacking."""

    tcb_info: Signed | None = None
    qe_identity: Signed | None = None
    root_crl: bytes | None = None
    pck_crl: bytes | None = None


# --- reading ---------------------------------------------------------------------------


def parse_collateral(data: bytes) -> Collateral:
    """Collateral in one JSON object of strings, the form in which the tools of several makers
    keep it: the statements as they are signed, chains in PEM, signatures and lists in
    hexadecimal. The chain of who issues the list of PCKs is not needed: a quote has it.

    Raises:
        EvidenceMalformedError: It is none.
    """
    try:
        found = load_strict(
            data, max_bytes=MAX_COLLATERAL, max_depth=2, max_keys=50, max_string=MAX_COLLATERAL
        )
    except JsonError as error:
        raise EvidenceMalformedError(f"the collateral is no JSON: {error}") from error
    if not isinstance(found, dict):
        raise EvidenceMalformedError("the collateral is no object")
    texts = {name: value for name, value in found.items() if isinstance(value, str)}
    return Collateral(
        tcb_info=_signed(texts, "tcb_info"),
        qe_identity=_signed(texts, "qe_identity"),
        root_crl=_unhex(texts["root_ca_crl"]) if "root_ca_crl" in texts else None,
        pck_crl=_unhex(texts["pck_crl"]) if "pck_crl" in texts else None,
    )


def _signed(texts: Mapping[str, str], name: str) -> Signed | None:
    if name not in texts:
        return None
    try:
        signature, chain = texts[f"{name}_signature"], texts[f"{name}_issuer_chain"]
    except KeyError as error:
        raise EvidenceMalformedError(f"the collateral lacks {error}") from error
    return Signed(texts[name].encode(), _unhex(signature), chain.encode())


def _unhex(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError as error:
        raise EvidenceMalformedError("a value of the collateral is no hexadecimal") from error


def read_served(data: bytes, name: str, pem: bytes) -> Signed:
    """A statement as the service answers, `{"tcbInfo":{...},"signature":"..."}`.

    Args:
        name: `tcbInfo` or `enclaveIdentity`.
        pem: The chain of the signer, which the service sends in a header.

    Raises:
        EvidenceMalformedError: It is no such answer.
    """
    head = f'{{"{name}":'.encode()
    body, middle, tail = data.rstrip().rpartition(b',"signature":"')
    if not middle or not body.startswith(head) or tail[-2:] != b'"}':
        raise EvidenceMalformedError(f"no answer of the service with `{name}`")
    return Signed(body[len(head) :], _unhex(tail[:-2].decode("latin-1")), pem)


# --- checking --------------------------------------------------------------------------


def verify_statement(
    kind: type[Kind], signed: Signed, *, anchors: frozenset[str], at: datetime
) -> tuple[Kind, list[x509.Certificate], datetime]:
    """Check that a statement is Intel's, and of that instant.

    Returns:
        The statement, the chain of its signer, and when the first of these ends.

    Raises:
        EvidenceError: Of the kind that tells what does not hold.
    """
    if len(signed.raw) > MAX_STATEMENT:
        raise EvidenceMalformedError(f"a statement of more than {MAX_STATEMENT} bytes")
    path = read_pem_chain(signed.pem.rstrip(b"\0"))
    # Longer chains lead to the same root, those of PCKs: what they sign is no statement.
    if len(path) != 2 or common_name(path[0]) != _SIGNER:
        raise EvidenceChainError("a statement of the vendor is not signed by its TCB signer")
    ends = verify_chain(path, anchors=anchors, at=at)
    verify_p256(path[0].public_key(), signed.signature, signed.raw, "a statement of the vendor")
    found = read_statement(kind, signed.raw)
    if not found.issue_date <= at <= found.next_update:
        raise EvidenceExpiredError(
            f"the statement `{found.id:.20}` is of {found.issue_date:%Y-%m-%d} "
            f"until {found.next_update:%Y-%m-%d}"
        )
    return found, path, min(ends, found.next_update)


def verify_p256(key: object, signature: bytes, data: bytes, of: str) -> None:
    """Check a signature of r and s, 32 bytes each.

    Raises:
        EvidenceChainError: The key is not of P-256.
        EvidenceSignatureError: It does not hold.
    """
    if not isinstance(key, EllipticCurvePublicKey) or not isinstance(key.curve, SECP256R1):
        raise EvidenceChainError(f"the key that signs {of} is not of P-256")
    if len(signature) != 64:
        raise EvidenceSignatureError(f"the signature of {of} has {len(signature)} bytes, not 64")
    r, s = int.from_bytes(signature[:32]), int.from_bytes(signature[32:])
    try:
        key.verify(encode_dss_signature(r, s), data, ECDSA(SHA256()))
    except (InvalidSignature, ValueError) as error:
        raise EvidenceSignatureError(f"the signature of {of} does not hold") from error


def check_lists(
    collateral: Collateral,
    chain: Sequence[x509.Certificate],
    signers: Sequence[x509.Certificate],
    *,
    at: datetime,
) -> list[datetime]:
    """Check certificates against the lists that are there.

    Args:
        chain: PCK, its issuer, the root.
        signers: Of the statements.

    Returns:
        Until when each list counts: two where both are there.

    Raises:
        EvidenceError: As of `check_crl`.
    """
    pck, issuer, root = chain
    ends: list[datetime] = []
    if collateral.root_crl is not None:
        crl = read_crl(collateral.root_crl)
        ends.append(check_crl(crl, root, [issuer, root, *signers], at=at))
    if collateral.pck_crl is not None:
        ends.append(check_crl(read_crl(collateral.pck_crl), issuer, [pck], at=at))
    return ends


def common_name(certificate: x509.Certificate) -> str:
    names = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return str(names[0].value) if len(names) == 1 else ""


def der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)
