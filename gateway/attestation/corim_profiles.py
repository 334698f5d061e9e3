"""How the measurements of a CoRIM are read, by its profile: which part of evidence is meant, and
which digests it may have.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gateway import cbor
from gateway.attestation.corim import Corim
from gateway.attestation.corim_comid import Measurement, Triple
from gateway.attestation.corim_values import MAX_TEXT
from gateway.attestation.errors import (
    EvidenceBindingError,
    EvidenceIncompleteError,
    EvidenceUnsupportedError,
)
from gateway.attestation.evidence import Technology

# Named Information registry and, for newer files, COSE algorithms; SHA-2 alone.
ALGORITHMS: Mapping[cbor.Value, tuple[str, int]] = {
    key: value
    for keys, value in (
        ((1, -16, "sha-256"), ("sha256", 32)),
        ((7, -43, "sha-384"), ("sha384", 48)),
        ((8, -44, "sha-512"), ("sha512", 64)),
    )
    for key in keys
}  # fmt: skip
_DIGEST, _NAME, _REGISTERS = 2, 11, 14
_MRTEE = -83
# The names that measurements of a technology have here.
_NAMES = {
    Technology.SEV_SNP: r"launch|host-data|id-key|author-key",
    Technology.AZURE_SNP: r"launch|host-data|id-key|author-key|sha(256|384|512):(1?\d|2[0-3])",
    Technology.TPM: r"sha(256|384|512):(1?\d|2[0-3])",
    Technology.TDX: r"mrtd|rtmr[0-3]|mrseam",
    Technology.NITRO: r"pcr([12]?\d|3[01])",
    Technology.ARM_CCA: r"platform:.+|realm-initial|realm-[0-3]",
}
_REALM = {"cca.rim": "realm-initial", **{f"cca.rem{n}": f"realm-{n}" for n in range(4)}}

# Digests under the name of a measurement, as they stand in the file.
Found = Mapping[str, cbor.Value]


@dataclass(frozen=True)
class How:
    """How measurements of a profile are read: to names and digests."""

    technology: Technology
    read: Callable[[Triple, Measurement], Found]
    uses: frozenset[cbor.Key]


def _component(_: Triple, measurement: Measurement) -> Found:
    """Software of a platform (draft-ydb-rats-cca-endorsements, section 3.1)."""
    name = measurement.values.get(_NAME)
    if measurement.key != "cca.software-component" or not _is_plain(name):
        return {}
    return {f"platform:{name}": measurement.values.get(_DIGEST)}


def _is_plain(name: cbor.Value) -> bool:
    return isinstance(name, str) and name.isprintable() and 0 < len(name) <= MAX_TEXT


def _realm(_: Triple, measurement: Measurement) -> Found:
    name = _REALM.get(measurement.key)
    return {} if name is None else {name: measurement.values.get(_DIGEST)}


def _seam(triple: Triple, measurement: Measurement) -> Found:
    """The TDX module; of the quoting enclave other collateral tells."""
    if triple.environment.model != "TDX SEAM" or measurement.key:
        return {}
    return {"mrseam": measurement.values.get(_MRTEE)}


_PROFILES: Mapping[str, How] = {
    "tag:arm.com,2025:cca_platform#1.0.0": How(
        Technology.ARM_CCA, _component, frozenset({_DIGEST, _NAME})
    ),
    "tag:arm.com,2025:cca_realm#1.0.0": How(Technology.ARM_CCA, _realm, frozenset({_DIGEST})),
    "2.16.840.1.113741.1.16.1": How(Technology.TDX, _seam, frozenset({_MRTEE})),
}
# Known, and of evidence that is not verified here.
_OTHERS = {"tag:arm.com,2025:psa#1.0.0": "PSA", "http://arm.com/psa/iot/1": "PSA"}


def how_to_read(corim: Corim, technology: Technology | None, names: Mapping[str, str]) -> How:
    """How the measurements of a manifest are read; arguments and failures are those of
    `gateway.attestation.corim_rows.references`."""
    if corim.profile is None:
        if technology is None:
            raise EvidenceIncompleteError("the CoRIM has no profile that tells its technology")
        return _plain(technology, names)
    if corim.profile in _OTHERS:
        kind = _OTHERS[corim.profile]
        raise EvidenceUnsupportedError(f"values for {kind} tokens, which are not verified here")
    how = _PROFILES.get(corim.profile)
    if how is None:
        raise EvidenceUnsupportedError(f"the profile `{corim.profile}` is not known")
    if technology not in (None, how.technology):
        raise EvidenceBindingError(f"the profile of the CoRIM is of {how.technology.value}")
    return how


def _plain(technology: Technology, names: Mapping[str, str]) -> How:
    """Without a profile: keys that are names here, or that the operator gave one."""
    if technology not in _NAMES:
        raise EvidenceUnsupportedError(f"{technology.value} has no reference values")
    known = re.compile(_NAMES[technology])
    for name in names.values():
        if not known.fullmatch(name):
            raise EvidenceBindingError(f"{technology.value} measures nothing called `{name:.40}`")

    def read(_: Triple, measurement: Measurement) -> Found:
        values, found = measurement.values, dict[str, cbor.Value]()
        name = names.get(measurement.key, measurement.key)
        if _DIGEST in values and known.fullmatch(name):
            found[name] = values[_DIGEST]
        registers = values.get(_REGISTERS)
        for number, digests in (registers if isinstance(registers, dict) else {}).items():
            for one in digests if isinstance(digests, list) else []:
                name = _register(technology, number, one)
                if name is None or not _is_plain(name) or not known.fullmatch(name):
                    return {}
                if name in found:
                    return {}
                found[name] = [one]
        return found

    return How(technology, read, frozenset({_DIGEST, _REGISTERS}))


def _register(technology: Technology, number: cbor.Key, digest: cbor.Value) -> str | None:
    """A numbered register: of a TPM, in the bank of the digest; of an enclave."""
    if isinstance(number, str):
        return number
    if technology is Technology.NITRO:
        return f"pcr{number}"
    algorithm = digest[0] if isinstance(digest, list) and digest else None
    bank = ALGORITHMS.get(algorithm) if isinstance(algorithm, (int, str)) else None
    return None if bank is None else f"{bank[0]}:{number}"
