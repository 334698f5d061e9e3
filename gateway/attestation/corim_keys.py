"""Which keys of a CoRIM become rows of a file of anchors: those by which platforms of Arm CCA sign
(draft-ydb-rats-cca-endorsements, section 3.2), each of one platform.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    SECP384R1,
    SECP521R1,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_public_key,
)

from gateway import cbor
from gateway.attestation.anchors import CcaPlatform
from gateway.attestation.corim import Corim
from gateway.attestation.corim_comid import Comid, KeyTriple

PROFILE = "tag:arm.com,2025:cca_platform#1.0.0"
_PEM, _UEID, _BYTES = 554, 550, 560
_IMPLEMENTATION, _INSTANCE = 32, 33
_RANDOM = 1  # the type of UEID that an instance of a platform has
_CURVES = (SECP256R1, SECP384R1, SECP521R1)
_MAX_PEM = 4 * 1024


@dataclass(frozen=True)
class Keys:
    """Attributes:
    rows: Of a file of anchors.
    left: Keys that became none, in words, each with its place.
    """

    rows: tuple[CcaPlatform, ...]
    left: tuple[str, ...]


def platform_keys(corim: Corim, sources: Mapping[str, str], first: date, last: date | None) -> Keys:
    """The keys of platforms in a manifest whose word counts.

    Args:
        sources: By the id of each tag, where it comes from and whose word it is.
        first: The first day on which the manifest counts; `last` the last one.
    """
    found: dict[tuple[str, str], list[CcaPlatform]] = {}
    left: list[str] = []
    for comid, triple, place in _triples(corim):
        pem = _key_of(triple) if corim.profile == PROFILE else None
        ids = _ids(triple)
        if pem is None or ids is None:
            left.append(f"{place} `{triple.environment.text}`, which are no row of anchors")
            continue
        row = CcaPlatform(
            source=sources[comid.id],
            valid_from=first,
            valid_until=last,
            implementation_id=ids[0].hex(),
            instance_id=ids[1].hex(),
            pem=pem,
        )
        rows = found.setdefault((row.implementation_id, row.instance_id), [])
        rows += [] if any(one.pem == pem for one in rows) else [row]
    for (_, instance), rows in found.items():
        if len(rows) > 1:
            left.append(f"several keys of one platform, {instance}")
    return Keys(tuple(rows[0] for rows in found.values() if len(rows) == 1), tuple(left))


def _triples(corim: Corim) -> Iterator[tuple[Comid, KeyTriple, str]]:
    for comid in corim.comids:
        for number, triple in enumerate(comid.keys):
            yield comid, triple, f"tag {comid.id}, triple {number}: attestation keys of"


def _ids(triple: KeyTriple) -> tuple[bytes, bytes] | None:
    """Implementation and instance, where the environment is of just these."""
    implementation, instance = triple.environment.class_id, triple.instance
    if implementation is None or instance is None:
        return None
    sizes = (len(implementation), len(instance)) == (_IMPLEMENTATION, _INSTANCE)
    text = triple.environment.text
    is_named = text.startswith(f"id {_BYTES}:{implementation.hex()}") and text.endswith(
        f", instance {_UEID}:{instance.hex()}"
    )
    narrowed = any(f", {word} " in text for word in ("layer", "index"))
    if not sizes or not is_named or narrowed or instance[0] != _RANDOM:
        return None
    return implementation, instance


def _key_of(triple: KeyTriple) -> str | None:
    """The one key, spelled anew; None where there are several, conditions, or of another kind."""
    if len(triple.keys) != 1:
        return None
    (key,) = triple.keys
    if not isinstance(key, cbor.Tagged) or key.tag != _PEM or not isinstance(key.value, str):
        return None
    if len(key.value) > _MAX_PEM:
        return None
    try:
        found = load_pem_public_key(key.value.encode())
    except (ValueError, UnsupportedAlgorithm):
        return None
    if not isinstance(found, EllipticCurvePublicKey) or not isinstance(found.curve, _CURVES):
        return None
    return found.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
