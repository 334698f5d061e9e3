"""Whether the attestation key of this machine is in a TPM of a known maker: its endorsement
certificate, and a secret that only that TPM opens and only for that key (TCG TPM 2.0 Library,
Part 1, section 24).

This convinces whoever runs it on the machine, and nobody else: what is left is a key to pin.
"""

import os
from collections.abc import Callable, Sequence
from datetime import datetime
from hmac import compare_digest

from cryptography.x509 import Certificate

from gateway.attestation import tpm
from gateway.attestation.chain import fingerprint, read_certificate
from gateway.attestation.errors import EvidenceError
from gateway.attestation.tpm_credential import SECRET_SIZE, make_credential
from gateway.attestation.tpm_structures import Public, parse_public
from gateway.own_evidence.errors import OwnEvidenceError, TpmEndorsementError
from gateway.own_evidence.quoting import (
    CONTEXT,
    TpmPlace,
    attestation_key,
    read_attestation_key,
)
from gateway.own_evidence.tools import Session, session

# NV indices of EK certificates (TCG EK Credential Profile, section 2.2.1.4), by kind of EK.
_CERTIFICATES = (("rsa", "0x1c00002"), ("ecc", "0x1c0000a"))
_EK = "ek.ctx"
# Some TPMs take a minute for a new RSA key.
_TIMEOUT_S = 180.0


def attestation_key_of(place: TpmPlace) -> Public:
    """The attestation key of a TPM, whoever made that.

    Raises:
        OwnEvidenceError: The TPM is not there, or the key cannot be used.
    """
    with session(place.tcti) as tools:
        return read_attestation_key(attestation_key(tools, place))


def enrol_key(
    place: TpmPlace,
    authorities: Sequence[Certificate],
    *,
    at: datetime,
    random: Callable[[int], bytes] = os.urandom,
) -> Public:
    """The attestation key, after its TPM has shown that it holds it.

    Args:
        authorities: Above the endorsement certificate, in order; the last one counts.

    Raises:
        TpmEndorsementError: The TPM is of nobody known, or the key is not in it.
        OwnEvidenceError: The TPM is not there, or does not do what is asked.
    """
    with session(place.tcti, timeout_s=_TIMEOUT_S) as tools:
        kind, certificate = _certificate(tools)
        tools.run("createek", "-c", _EK, "-G", kind, "-u", "ek.pub")
        try:
            ek = parse_public(tools.file("ek.pub"))
            path = [read_certificate(_whole(certificate)), *authorities]
            anchors = frozenset({fingerprint(path[-1])})
            tpm.endorsement_key(path, ek, anchors=anchors, at=at)
        except EvidenceError as error:
            raise TpmEndorsementError(f"the endorsement key of the TPM: {error}") from error
        key = read_attestation_key(attestation_key(tools, place))
        _activate(tools, place, ek, key, random)
    return key


def _certificate(tools: Session) -> tuple[str, bytes]:
    """What kind of endorsement key has a certificate in the TPM, and that."""
    for kind, index in _CERTIFICATES:
        try:
            tools.run("nvread", index, "-C", "o", "-o", f"{kind}.crt")
        except OwnEvidenceError:
            continue
        return kind, tools.file(f"{kind}.crt")
    raise TpmEndorsementError("the TPM holds no certificate of its endorsement key")


def _whole(data: bytes) -> bytes:
    """The certificate at the beginning: makers fill up the place with other bytes."""
    if data[:2] != b"\x30\x82" or len(data) < 4:
        raise TpmEndorsementError("the TPM holds no endorsement certificate that can be read")
    return data[: 4 + int.from_bytes(data[2:4])]


def _activate(
    tools: Session, place: TpmPlace, ek: Public, key: Public, random: Callable[[int], bytes]
) -> None:
    secret = random(SECRET_SIZE)
    try:
        sealed = make_credential(ek, key.name, secret, random=random)
    except EvidenceError as error:
        raise TpmEndorsementError(f"the endorsement key of the TPM: {error}") from error
    tools.write("credential", sealed.file())
    tools.run("startauthsession", "--policy-session", "-S", "s.ctx")
    try:
        tools.run("policysecret", "-S", "s.ctx", "-c", "e")
        tools.run(
            "activatecredential", "-c", place.key or CONTEXT, "-C", _EK, "-i", "credential",
            "-o", "opened", "-P", "session:s.ctx",
        )  # fmt: skip
    finally:
        tools.run("flushcontext", "s.ctx")
    if not compare_digest(tools.file("opened"), secret):
        raise TpmEndorsementError("the TPM does not open what only its key opens")
