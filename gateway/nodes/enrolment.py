"""Enrolment of a node: shown that its attestation key is in the TPM of a known maker, by a
secret that this TPM alone can open, for this key alone (TCG TPM 2.0 Library, Part 1, section
24; RFC 9683, section 5 has the roles).

Two steps, with the machine between them: a credential is made, and what the machine found in it
is compared.
"""

import hmac
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from hashlib import sha256
from typing import Annotated

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from gateway.attestation.chain import fingerprint
from gateway.attestation.errors import EvidenceError
from gateway.attestation.policy import first_mistake
from gateway.attestation.tpm import check_attributes, endorsement_key
from gateway.attestation.tpm_credential import SECRET_SIZE, Credential, make_credential
from gateway.attestation.tpm_structures import Public, parse_public
from gateway.nodes.attested import instant
from gateway.nodes.errors import EnrolmentError, RegisterError
from gateway.nodes.register import FORMAT as REGISTER
from gateway.nodes.register import read_register

FORMAT = "charter-enrolment/v1"
MAX_FILE = 64 * 1024
# How long the machine may take to open it.
VALID = timedelta(days=7)

_Hex = Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{2}){1,4096}$")]
_Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class Begun(BaseModel):
    """What is kept between the steps; the secret in it is told nobody.

    Attributes:
        ak: Public area of the attestation key.
        ek_certificate: SHA-256 of the certificate of the TPM.
        authority: SHA-256 of the certificate of the maker that is trusted.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    format: Annotated[str, StringConstraints(pattern=f"^{FORMAT}$")]
    made_at: Annotated[str, StringConstraints(max_length=40)]
    ak: _Hex
    secret: _Sha256
    ek_certificate: _Sha256
    authority: _Sha256


@dataclass(frozen=True)
class Admitted:
    """A node whose key is in the TPM of a known maker: two rows, in TOML."""

    device: str
    node: str
    anchor: str


def begin(
    path: Sequence[x509.Certificate],
    ek: bytes,
    ak: bytes,
    *,
    at: datetime,
    random: Callable[[int], bytes],
) -> tuple[Credential, Begun]:
    """Seal a secret to a TPM and an attestation key.

    Args:
        path: The certificate of the TPM first, the authority that is trusted last.
        ek: Public area of the key of the certificate, TPM2B_PUBLIC or TPMT_PUBLIC.
        ak: That of the attestation key.

    Raises:
        EvidenceError: The certificate leads to no such authority, is of another key, or the
            attestation key may sign what its TPM did not make.
    """
    endorsement, attestation = parse_public(ek), parse_public(ak)
    authority = fingerprint(path[-1])
    endorsement_key(path, endorsement, anchors=frozenset({authority}), at=at)
    check_attributes(attestation)
    secret = random(SECRET_SIZE)
    # By the name computed here: one that the machine sends could be of another key.
    sealed = make_credential(endorsement, attestation.name, secret, random=random)
    begun = Begun(
        format=FORMAT,
        made_at=instant(at),
        ak=ak.hex(),
        secret=secret.hex(),
        ek_certificate=fingerprint(path[0]),
        authority=authority,
    )
    return sealed, begun


def read_begun(data: bytes) -> Begun:
    """What the first step kept.

    Raises:
        EnrolmentError: It is none.
    """
    try:
        return Begun.model_validate_json(data)
    except ValidationError as error:
        raise EnrolmentError(f"no enrolment that was begun: {first_mistake(error)}") from error


def admit(begun: Begun, found: bytes, *, node: str, site: str, at: datetime) -> Admitted:
    """The rows of a node, once its TPM has opened the credential.

    Raises:
        EnrolmentError: It found something else, or was begun too long ago.
        RegisterError: The name of the node or the site is none.
    """
    made = datetime.fromisoformat(begun.made_at)
    if not made <= at + timedelta(minutes=5) or at - made > VALID:
        raise EnrolmentError(f"it was begun on {made:%Y-%m-%d}, and counts for 7 days: begin again")
    if not hmac.compare_digest(bytes.fromhex(begun.secret), found):
        raise EnrolmentError(
            "the machine has not found what was sealed: the key is not in that TPM, or the file "
            "is another"
        )
    try:
        public = parse_public(bytes.fromhex(begun.ak))
    except EvidenceError as error:
        raise EnrolmentError(f"no enrolment that was begun: {error}") from error
    return _rows(begun, public, node, site, at.date())


def _rows(begun: Begun, public: Public, node: str, site: str, day: date) -> Admitted:
    spki = PublicFormat.SubjectPublicKeyInfo
    device = sha256(public.key.public_bytes(Encoding.DER, spki)).hexdigest()
    pem = public.key.public_bytes(Encoding.PEM, spki).decode()
    source = f"enrolled {day}: TPM certificate {begun.ek_certificate}, of {begun.authority}"
    row = (
        "[[node]]\n"
        f"id = {_text(node)}\nsite = {_text(site)}\n"
        f'technology = "tpm"\nattesters = ["{device}"]\n'
        f'source = "{source}"\nvalid_from = {day}\n'
    )
    read_register(f'format = "{REGISTER}"\nowner = "enrolment"\n{row}'.encode())
    anchor = (
        "[[tpm_key]]\n"
        f"name = {_text(node)}\n"
        f'source = "{source}"\nvalid_from = {day}\n'
        f'pem = """\n{pem}"""\n'
    )
    return Admitted(device, row, anchor)


def _text(value: str) -> str:
    if not value.isprintable():
        raise RegisterError("names of nodes and sites are printable")
    return json.dumps(value, ensure_ascii=False)
