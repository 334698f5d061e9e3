"""Whose word counts: authorities, keys and platforms that the verifier's owner trusts, in a
file with a source and days for each. Those of hardware makers are pinned in the code.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Annotated

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from gateway import toml_text
from gateway.attestation.arm_cca import Endorsement
from gateway.attestation.ear_token import PROFILES, Issuer
from gateway.attestation.errors import AppraisalPolicyError
from gateway.attestation.jws import read_key
from gateway.attestation.nras import SERVICE
from gateway.attestation.policy import Dated, Text, first_mistake, frozen

FORMAT = "charter-anchors/v1"
MAX_FILE = 1024 * 1024
_MAX_ROWS = 1_000
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Id = Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{2}){1,64}$")]
Pem = Annotated[str, StringConstraints(min_length=1, max_length=16 * 1024)]
_MODEL = ConfigDict(extra="forbid", frozen=True, strict=True)


class TpmKey(Dated):
    """An attestation key of a TPM that the operator vouches for by itself."""

    name: Text
    pem: Pem


class TpmAuthority(Dated):
    """An authority of AK certificates, by the SHA-256 of its certificate."""

    sha256: Digest


class CcaPlatform(Dated):
    """The key of a platform of Arm CCA."""

    implementation_id: Id
    instance_id: Id
    pem: Pem


class EarIssuer(Dated):
    """A verifier whose results count, by its key: `pem`, or `jwk` with the members of RFC 7517.

    Attributes:
        kid: The id of the key in tokens, where it has one.
        profiles: Which results it may write, by `eat_profile`.
    """

    name: Text
    pem: Pem | None = None
    jwk: Mapping[Text, Pem] | None = Field(default=None, max_length=12)
    kid: Text | None = None
    profiles: tuple[Text, ...] = Field(min_length=1, max_length=16)


class _File(BaseModel):
    model_config = _MODEL

    format: Annotated[str, StringConstraints(pattern=f"^{FORMAT}$")]
    owner: Text
    tpm_key: tuple[TpmKey, ...] = Field(default=(), max_length=_MAX_ROWS)
    tpm_authority: tuple[TpmAuthority, ...] = Field(default=(), max_length=_MAX_ROWS)
    cca_platform: tuple[CcaPlatform, ...] = Field(default=(), max_length=_MAX_ROWS)
    ear_issuer: tuple[EarIssuer, ...] = Field(default=(), max_length=_MAX_ROWS)


PublicKey = RSAPublicKey | EllipticCurvePublicKey


@dataclass(frozen=True)
class Anchors:
    """Anchors as they were read.

    Attributes:
        tpm_keys: By the SHA-256 of their SubjectPublicKeyInfo are they found; see `pinned_on`.
        sha256: Of the file; empty without one.
    """

    tpm_keys: tuple[tuple[TpmKey, PublicKey], ...] = ()
    tpm_authorities: tuple[TpmAuthority, ...] = ()
    cca_platforms: tuple[Endorsement, ...] = ()
    ear_issuers: tuple[Issuer, ...] = ()
    sha256: str = ""

    def authorities_on(self, day: date) -> frozenset[str]:
        """The authorities of AK certificates that count on a day."""
        return frozenset(one.sha256 for one in self.tpm_authorities if one.counts(day))

    def pinned_on(self, key: PublicKey, day: date) -> bool:
        """Whether the operator vouches for a key of a TPM on a day."""
        return any(row.counts(day) and own == key for row, own in self.tpm_keys)


def read_anchors(data: bytes) -> Anchors:
    """The anchors in the bytes of a TOML file.

    Raises:
        AppraisalPolicyError: It is none; the message names the field.
    """
    if len(data) > MAX_FILE:
        raise AppraisalPolicyError(f"a file of anchors of more than {MAX_FILE} bytes")
    try:
        document = toml_text.loads(data.decode("utf-8"))
        file = _File.model_validate(frozen(document))
    except ValidationError as error:
        raise AppraisalPolicyError(first_mistake(error)) from error
    except (ValueError, RecursionError) as error:
        raise AppraisalPolicyError(f"the file of anchors is no TOML: {error}") from error
    return Anchors(
        tuple((row, _key(row.pem, "tpm_key")) for row in file.tpm_key),
        file.tpm_authority,
        tuple(_platform(row) for row in file.cca_platform),
        tuple(_issuer(row) for row in file.ear_issuer),
        hashlib.sha256(data).hexdigest(),
    )


def _platform(row: CcaPlatform) -> Endorsement:
    key = _key(row.pem, "cca_platform")
    if not isinstance(key, EllipticCurvePublicKey):
        raise AppraisalPolicyError("cca_platform.pem: the key is none of an elliptic curve")
    ids = bytes.fromhex(row.implementation_id), bytes.fromhex(row.instance_id)
    return Endorsement(*ids, key, row.valid_from, row.valid_until)


def _issuer(row: EarIssuer) -> Issuer:
    try:
        key = read_key(pem=row.pem, jwk=row.jwk)
    except ValueError as error:
        raise AppraisalPolicyError(f"ear_issuer `{row.name:.40}`: {error}") from error
    if unknown := set(row.profiles) - PROFILES.keys() - {SERVICE}:
        raise AppraisalPolicyError(f"ear_issuer.profiles: `{min(unknown):.80}` is not known")
    days = row.valid_from, row.valid_until
    return Issuer(row.name, key, frozenset(row.profiles), row.kid, *days)


def _key(pem: str, place: str) -> PublicKey:
    try:
        key = load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise AppraisalPolicyError(f"{place}.pem: no public key in PEM") from error
    if not isinstance(key, (RSAPublicKey, EllipticCurvePublicKey)):
        raise AppraisalPolicyError(f"{place}.pem: the key is neither RSA nor of an elliptic curve")
    return key
