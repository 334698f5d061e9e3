"""Arm CCA attestation tokens (Arm Realm Management Monitor specification, section A7.2;
draft-ffm-rats-cca-token).

Two tokens: the platform's, signed by a key that an endorsement names, and the realm's, signed
by a key whose hash the platform token holds. There is no chain inside.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import cast

from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    SECP384R1,
    SECP521R1,
    EllipticCurve,
    EllipticCurvePublicKey,
    EllipticCurvePublicNumbers,
)
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway import cbor, cose
from gateway.attestation.errors import (
    EvidenceBindingError,
    EvidenceExpiredError,
    EvidenceIncompleteError,
    EvidenceMalformedError,
    EvidenceSignatureError,
    EvidenceUnsupportedError,
)
from gateway.attestation.evidence import Claims, Detail, Technology, Used

MAX_TOKEN = 64 * 1024
_TAG = 399
_PLATFORM, _REALM = 44234, 44241
_PLATFORM_PROFILES = ("http://arm.com/CCA-SSD/1.0.0", "tag:arm.com,2023:cca_platform#1.0.0")
_REALM_PROFILES = (None, "tag:arm.com,2023:realm#1.0.0")

_PROFILE, _CHALLENGE, _INSTANCE = 265, 10, 256
_IMPLEMENTATION, _LIFECYCLE, _COMPONENTS, _HASH = 2396, 2395, 2399, 2402
_INITIAL, _EXTENSIBLE, _PERSONALISATION, _REALM_HASH = 44238, 44239, 44235, 44236
_REALM_KEY, _KEY_HASH = 44237, 44240
_NAME, _VALUE = 1, 2

_HASHES = {"sha-256": 32, "sha-384": 48, "sha-512": 64}
_MAX_COMPONENTS = 64
_CURVES: Mapping[int, type[EllipticCurve]] = {1: SECP256R1, 2: SECP384R1, 3: SECP521R1}
# Of an uncompressed point, one byte and two coordinates.
_CURVE_OF_LENGTH: Mapping[int, type[EllipticCurve]] = {65: SECP256R1, 97: SECP384R1, 133: SECP521R1}
_ALGORITHMS = (cose.ES256, cose.ES384, cose.ES512)
# The first byte of the lifecycle (section A7.2.3.2.6): secured, or some debugging is open.
_SECURED, _DEBUG = 0x30, (0x40, 0x50)

_Members = Mapping[cbor.Key, cbor.Value]


@dataclass(frozen=True)
class Endorsement:
    """Whose key signs the tokens of one platform instance, by the word of its maker.

    Attributes:
        valid_from: First and last day, both included; without a last day it counts on.
    """

    implementation_id: bytes
    instance_id: bytes
    key: EllipticCurvePublicKey
    valid_from: date
    valid_until: date | None = None


@dataclass(frozen=True)
class Token:
    """Both tokens as they were read."""

    platform: cose.Sign1
    realm: cose.Sign1
    implementation_id: bytes
    instance_id: bytes
    platform_challenge: bytes
    profile: str
    lifecycle: int
    components: Mapping[str, bytes]
    challenge: bytes
    personalisation: bytes
    initial: bytes
    extensible: tuple[bytes, ...]
    realm_key: bytes
    key_hash: str


def parse_token(data: bytes) -> Token:
    """The token in the bytes, under tag 399.

    Raises:
        EvidenceMalformedError: It is none, or a claim is missing or of another form.
        EvidenceUnsupportedError: A profile or hash that is not known.
    """
    if len(data) > MAX_TOKEN:
        raise EvidenceMalformedError(f"a CCA token of more than {MAX_TOKEN} bytes")
    try:
        whole = cbor.loads(data)
        if not isinstance(whole, cbor.Tagged) or whole.tag != _TAG:
            raise EvidenceMalformedError(f"a CCA token is under tag {_TAG}")
        platform, realm = _parts(whole.value)
        claims, realm_claims = _members(platform), _members(realm)
    except (cbor.CborError, cose.CoseError) as error:
        raise EvidenceMalformedError(f"no CCA token: {error}") from error
    profile = claims.get(_PROFILE)
    if profile not in _PLATFORM_PROFILES or realm_claims.get(_PROFILE) not in _REALM_PROFILES:
        raise EvidenceUnsupportedError("a profile of the CCA token is not known")
    lifecycle = claims.get(_LIFECYCLE)
    if not isinstance(lifecycle, int) or not 0 <= lifecycle <= 0xFFFF:
        raise EvidenceMalformedError("the lifecycle is a number of two bytes")
    _hash_name(claims, _HASH)
    size = _HASHES[_hash_name(realm_claims, _REALM_HASH)]
    return Token(
        platform=platform,
        realm=realm,
        implementation_id=_bytes(claims, _IMPLEMENTATION, (32,)),
        instance_id=_bytes(claims, _INSTANCE, (33,)),
        platform_challenge=_bytes(claims, _CHALLENGE, (32, 48, 64)),
        profile=cast("str", profile),
        lifecycle=lifecycle,
        components=_components(claims.get(_COMPONENTS)),
        challenge=_bytes(realm_claims, _CHALLENGE, (64,)),
        personalisation=_bytes(realm_claims, _PERSONALISATION, (64,)),
        initial=_bytes(realm_claims, _INITIAL, (size,)),
        extensible=_extensible(realm_claims.get(_EXTENSIBLE), size),
        realm_key=_bytes(realm_claims, _REALM_KEY, range(65, 256)),
        key_hash=_hash_name(realm_claims, _KEY_HASH),
    )


def _parts(value: cbor.Value) -> tuple[cose.Sign1, cose.Sign1]:
    if not isinstance(value, dict) or value.keys() != {_PLATFORM, _REALM}:
        raise EvidenceMalformedError("a CCA token holds a platform and a realm token")
    platform, realm = value[_PLATFORM], value[_REALM]
    if not isinstance(platform, bytes) or not isinstance(realm, bytes):
        raise EvidenceMalformedError("the parts of a CCA token are strings of bytes")
    return cose.parse_sign1(platform), cose.parse_sign1(realm)


def _members(message: cose.Sign1) -> _Members:
    found = cbor.loads(message.payload or b"")
    if not isinstance(found, dict):
        raise EvidenceMalformedError("the claims of a CCA token are a map")
    return found


def _bytes(claims: _Members, label: int, sizes: Iterable[int]) -> bytes:
    value = claims.get(label)
    if not isinstance(value, bytes) or len(value) not in sizes:
        raise EvidenceMalformedError(f"claim {label} is missing or of another length")
    return value


def _hash_name(claims: _Members, label: int) -> str:
    name = claims.get(label)
    if not isinstance(name, str):
        raise EvidenceMalformedError(f"claim {label} names no hash")
    if name not in _HASHES:
        raise EvidenceUnsupportedError(f"claim {label} names a hash that is not known")
    return name


def _components(value: cbor.Value) -> dict[str, bytes]:
    """Software of the platform by its name; two of one name get numbers."""
    if not isinstance(value, list) or not 0 < len(value) <= _MAX_COMPONENTS:
        raise EvidenceMalformedError(f"the platform has 1 to {_MAX_COMPONENTS} components")
    found: dict[str, bytes] = {}
    for number, one in enumerate(value):
        members = one if isinstance(one, dict) else {}
        digest, name = members.get(_VALUE), members.get(_NAME, f"component-{number}")
        if not isinstance(digest, bytes) or len(digest) not in _HASHES.values():
            raise EvidenceMalformedError("a component has a measurement of 32, 48 or 64 bytes")
        if not isinstance(name, str) or not 0 < len(name) <= 100 or not name.isprintable():
            raise EvidenceMalformedError("the name of a component is a text of 1 to 100 characters")
        name = name if name not in found else f"{name}#{number}"
        if name in found:
            raise EvidenceMalformedError("the names of components cannot be told apart")
        found[name] = digest
    return found


def _extensible(value: cbor.Value, size: int) -> tuple[bytes, ...]:
    if not isinstance(value, list) or len(value) != 4:
        raise EvidenceMalformedError("a realm has four extensible measurements")
    for one in value:
        if not isinstance(one, bytes) or len(one) != size:
            raise EvidenceMalformedError("an extensible measurement has another length")
    return tuple(cast("list[bytes]", value))


def verify_token(token: Token, *, endorsements: Iterable[Endorsement], at: datetime) -> Claims:
    """Check the platform token by its endorsement, the realm token by the key that the platform
    token holds the hash of.

    Raises:
        EvidenceIncompleteError: No endorsement is of this platform.
        EvidenceError: Of the kind that tells what does not hold.
    """
    endorsement = _endorsement(token, endorsements, at.date())
    _verify(token.platform, endorsement.key, "platform")
    digest = hashlib.new(token.key_hash.replace("-", ""), token.realm_key).digest()
    if digest != token.platform_challenge:
        raise EvidenceBindingError("the realm's key is not the one that the platform token holds")
    _verify(token.realm, _realm_key(token.realm_key), "realm")
    return _claims(token, endorsement)


def _endorsement(token: Token, endorsements: Iterable[Endorsement], day: date) -> Endorsement:
    wanted = (token.implementation_id, token.instance_id)
    own = [one for one in endorsements if (one.implementation_id, one.instance_id) == wanted]
    if not own:
        raise EvidenceIncompleteError("no endorsement is of this platform")
    for one in own:
        if one.valid_from <= day and (one.valid_until is None or day <= one.valid_until):
            return one
    raise EvidenceExpiredError("the endorsement of this platform does not count on that day")


def _verify(message: cose.Sign1, key: EllipticCurvePublicKey, name: str) -> None:
    try:
        cose.verify_sign1(message, key, algorithms=_ALGORITHMS)
    except cose.CoseAlgorithmError as error:
        raise EvidenceUnsupportedError(f"{name} token: {error}") from error
    except cose.CoseSignatureError as error:
        raise EvidenceSignatureError(f"the signature of the {name} token does not hold") from error
    except cose.CoseError as error:
        raise EvidenceMalformedError(f"{name} token: {error}") from error


def _realm_key(data: bytes) -> EllipticCurvePublicKey:
    """The key as a bare point, or as a COSE_Key (RFC 9053, section 7.1.1)."""
    try:
        if data[0] == 4 and len(data) in _CURVE_OF_LENGTH:
            curve = _CURVE_OF_LENGTH[len(data)]()
            return EllipticCurvePublicKey.from_encoded_point(curve, data)
        members = cbor.loads(data)
        if not isinstance(members, dict) or members.get(1) != 2:
            raise EvidenceMalformedError("the realm's key is none of an elliptic curve")
        curve = _CURVES[cast("int", members.get(-1))]()
        size = (curve.key_size + 7) // 8
        x, y = _bytes(members, -2, (size,)), _bytes(members, -3, (size,))
        numbers = EllipticCurvePublicNumbers(int.from_bytes(x), int.from_bytes(y), curve)
        return numbers.public_key()
    except (cbor.CborError, ValueError, KeyError, TypeError) as error:
        raise EvidenceMalformedError("the realm's key cannot be read") from error


def _claims(token: Token, endorsement: Endorsement) -> Claims:
    measurements = {f"platform:{name}": digest for name, digest in token.components.items()}
    measurements["realm-initial"] = token.initial
    for number, digest in enumerate(token.extensible):
        measurements[f"realm-{number}"] = digest
    spki = endorsement.key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    detail: dict[str, Detail] = {
        "profile": token.profile,
        "lifecycle": f"{token.lifecycle:#06x}",
        "personalisation": token.personalisation.hex(),
    }
    stage = token.lifecycle >> 8
    return Claims(
        Technology.ARM_CCA,
        product=token.implementation_id.hex(),
        is_debug=False if stage == _SECURED else True if stage in _DEBUG else None,
        is_confidential=True,
        measurements=measurements,
        bound=token.challenge,
        attester_id=token.instance_id.hex(),
        used=(Used.of("endorsed-key", spki),),
        detail=detail,
    )
