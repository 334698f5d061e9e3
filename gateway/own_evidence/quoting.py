"""A quote of the gateway's TPM over what a document binds, checked as a stranger would check it.

The attestation key is made anew each time, from a seed that stays in the TPM (TPM2_CreatePrimary
in the endorsement hierarchy): the same template gives the same key, also after a reboot. An
operator may give a key that is kept in the TPM instead.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import Certificate

from gateway.attestation import tpm
from gateway.attestation.chain import MAX_CERTIFICATE, MAX_CHAIN, read_pem_chain
from gateway.attestation.errors import EvidenceError
from gateway.attestation.freshness import check_bound
from gateway.attestation.tpm_structures import SHA256, Public, parse_pcr_file, parse_public
from gateway.own_evidence.document import Bound, Certification, Document, write_document
from gateway.own_evidence.errors import GatewayEvidenceError, OwnEvidenceError
from gateway.own_evidence.resident import check_resident
from gateway.own_evidence.tools import Session, session

PCRS = (0, 1, 2, 3, 4, 5, 6, 7)  # firmware, boot loader and their settings
CONTEXT = "ak.ctx"
_ATTRIBUTES = "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda|restricted|sign"
_MAX_PATH = MAX_CHAIN * MAX_CERTIFICATE


@dataclass(frozen=True)
class TpmPlace:
    """Where the TPM is and what of it is used.

    Attributes:
        tcti: How tpm2-tools reach it.
        pcrs: Which PCRs of the SHA-256 bank are quoted.
        key: The handle of an attestation key that is kept there; made anew where None.
        decision_key: The handle of the key that signs decisions, where it is in the TPM.
        ak_path: A file with the certificate of that key and those above it, PEM.
    """

    tcti: str
    pcrs: tuple[int, ...] = PCRS
    key: str | None = None
    decision_key: str | None = None
    ak_path: Path | None = None


def quote(place: TpmPlace, bound: Bound, *, now: datetime) -> Document:
    """A document with a new quote.

    Raises:
        OwnEvidenceError: The TPM does not make one, or not one that counts.
    """
    chain = () if place.ak_path is None else read_chain(place.ak_path)
    with session(place.tcti) as tools:
        parts = {"public": attestation_key(tools, place)}
        tools.run(
            "quote", "-c", place.key or CONTEXT, "-g", "sha256",
            "-l", f"sha256:{','.join(map(str, place.pcrs))}",
            "-q", bound.data().hex(), "-m", "quote", "-s", "signature", "-o", "pcrs",
        )  # fmt: skip
        parts |= {name: tools.file(name) for name in ("quote", "signature", "pcrs")}
        certification = _certify(tools, place)
    path = [one.public_bytes(Encoding.DER) for one in chain]
    made = write_document(bound, parts, path, made_at=now, certification=certification)
    public = read_attestation_key(parts["public"])
    if chain and chain[0].public_key() != public.key:
        raise OwnEvidenceError(f"{place.ak_path}: the certificate is of another key of the TPM")
    _check(made, public, place.pcrs)
    return made


def _certify(tools: Session, place: TpmPlace) -> Certification | None:
    if place.decision_key is None:
        return None
    tools.run("readpublic", "-c", place.decision_key, "-f", "tss", "-o", "resident")
    tools.run(
        "certify", "-c", place.decision_key, "-C", place.key or CONTEXT, "-g", "sha256",
        "-o", "attest", "-s", "certified",
    )  # fmt: skip
    return Certification(*(tools.file(name) for name in ("attest", "certified", "resident")))


def attestation_key(tools: Session, place: TpmPlace) -> bytes:
    """The public area of the attestation key; it is in the context file `CONTEXT`, or kept."""
    if place.key is None:
        tools.run(
            "createprimary", "-C", "e", "-g", "sha256", "-G", "ecc256:ecdsa-sha256:null",
            "-a", _ATTRIBUTES, "-c", CONTEXT,
        )  # fmt: skip
    tools.run("readpublic", "-c", place.key or CONTEXT, "-f", "tss", "-o", "public")
    return tools.file("public")


def read_attestation_key(data: bytes) -> Public:
    """The public area, where the key is one whose quotes count.

    Raises:
        OwnEvidenceError: It signs also what its TPM did not make, or could be elsewhere.
    """
    try:
        public = parse_public(data)
        tpm.check_attributes(public)
    except EvidenceError as error:
        raise OwnEvidenceError(f"the attestation key of the TPM cannot be used: {error}") from error
    return public


def _check(made: Document, public: Public, pcrs: tuple[int, ...]) -> None:
    """Find out here what a stranger would find out later."""
    evidence = made.evidence
    try:
        claims = tpm.verify_quote(
            tpm.parse_quote(evidence.one("quote"), evidence.one("signature")),
            # Whether anybody vouches for the key is for others to say.
            key=tpm.AttestationKey.of(public, tpm.Vouched.PINNED),
            values=parse_pcr_file(evidence.one("pcrs")),
            selection=((SHA256, pcrs),),
        )
        check_bound(claims, made.bound.data())
    except EvidenceError as error:
        raise OwnEvidenceError(f"the TPM made a quote that does not hold: {error}") from error
    try:
        check_resident(made, public)
    except GatewayEvidenceError as error:
        raise OwnEvidenceError(f"--tpm-decision-key: {error}") from error


def read_chain(path: Path) -> Sequence[Certificate]:
    """The certificates of a PEM file, that of the key first.

    Raises:
        OwnEvidenceError: It cannot be read, or holds none.
    """
    try:
        with path.open("rb") as file:
            return read_pem_chain(file.read(_MAX_PATH + 1))
    except OSError as error:
        raise OwnEvidenceError(f"{path}: cannot read it: {error.strerror}") from error
    except EvidenceError as error:
        raise OwnEvidenceError(f"{path}: {error}") from error
