"""Evidence with what was sent beside it, as one JSON document of format `charter-evidence/v1`.

    {"format": "charter-evidence/v1", "technology": "sev-snp",
     "evidence": {"report": "…base64…"},
     "endorsements": {"vek": "…", "chain": ["…", "…"]}}

A machine may come with GPUs: `"gpus": [{"evidence": {…}, "endorsements": {…}}]`, each with what a
GPU alone would have.

Parts are bytes in standard base64, or lists of them. Which parts a technology has stands in
`gateway.attestation.verifiers`. Endorsements come from the attester and vouch for nothing by
themselves: they lead to anchors that the verifier holds, or nowhere.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from gateway.attestation.errors import EvidenceMalformedError, EvidenceUnsupportedError
from gateway.attestation.evidence import Technology
from gateway.errors import JsonError
from gateway.keys.encoding import decode_base64
from gateway.record.canonical import Json, load_strict

FORMAT = "charter-evidence/v1"
MAX_BUNDLE = 4 * 1024 * 1024
_MAX_TEXT = 3 * 1024 * 1024
_MAX_LIST = 64
MAX_GPUS = 16
_PARTS = {"evidence", "endorsements"}
_MEMBERS = _PARTS | {"format", "technology", "gpus"}

Part = bytes | tuple[bytes, ...]


@dataclass(frozen=True)
class EvidenceBundle:
    """Evidence as it was given.

    Attributes:
        sha256: Of the whole document.
        gpus: Those of a machine; bundles of the same document, which have none.
    """

    technology: Technology
    evidence: Mapping[str, Part]
    endorsements: Mapping[str, Part]
    sha256: str
    gpus: tuple["EvidenceBundle", ...] = ()

    def one(self, name: str) -> bytes:
        """A part of the evidence.

        Raises:
            EvidenceMalformedError: It is missing, or a list.
        """
        return _bytes(self.evidence.get(name), f"evidence.{name}")

    def endorsement(self, name: str) -> bytes:
        """A part of the endorsements; raises as `one`."""
        return _bytes(self.endorsements.get(name), f"endorsements.{name}")

    def endorsement_list(self, name: str) -> tuple[bytes, ...]:
        """A list of the endorsements; empty where it is missing.

        Raises:
            EvidenceMalformedError: It is no list.
        """
        found = self.endorsements.get(name, ())
        if isinstance(found, bytes):
            raise EvidenceMalformedError(f"`endorsements.{name}` is a list")
        return found


def _bytes(part: Part | None, name: str) -> bytes:
    if part is None:
        raise EvidenceMalformedError(f"`{name}` is missing")
    if not isinstance(part, bytes):
        raise EvidenceMalformedError(f"`{name}` is one part, not a list")
    return part


def read_bundle(data: bytes) -> EvidenceBundle:
    """The bundle in the bytes.

    Raises:
        EvidenceMalformedError: It is none; the message names the member.
        EvidenceUnsupportedError: Of another format or technology.
    """
    try:
        found = load_strict(data, max_bytes=MAX_BUNDLE, max_depth=5, max_string=_MAX_TEXT)
    except JsonError as error:
        raise EvidenceMalformedError(f"no evidence in JSON: {error}") from error
    if not isinstance(found, dict):
        raise EvidenceMalformedError("evidence is a JSON object")
    if found.get("format") != FORMAT:
        raise EvidenceUnsupportedError(f"`format` is `{FORMAT}`")
    if unknown := found.keys() - _MEMBERS:
        raise EvidenceMalformedError(f"a member is not known: `{min(unknown):.40}`")
    try:
        technology = Technology(found.get("technology"))
    except ValueError as error:
        known = ", ".join(one.value for one in Technology)
        raise EvidenceUnsupportedError(f"`technology` is one of {known}") from error
    digest = hashlib.sha256(data).hexdigest()
    return EvidenceBundle(
        technology,
        _parts(found.get("evidence"), "evidence"),
        _parts(found.get("endorsements", {}), "endorsements"),
        digest,
        _gpus(found["gpus"], digest) if "gpus" in found else (),
    )


def _gpus(value: Json, digest: str) -> tuple[EvidenceBundle, ...]:
    if not isinstance(value, list) or not 0 < len(value) <= MAX_GPUS:
        raise EvidenceMalformedError(f"`gpus` is a list of 1 to {MAX_GPUS}")
    return tuple(_gpu(one, digest, f"gpus.{number}") for number, one in enumerate(value))


def _gpu(value: Json, digest: str, place: str) -> EvidenceBundle:
    if not isinstance(value, dict) or value.keys() - _PARTS:
        raise EvidenceMalformedError(f"`{place}` has `evidence` and `endorsements`")
    return EvidenceBundle(
        Technology.NVIDIA_GPU,
        _parts(value.get("evidence"), f"{place}.evidence"),
        _parts(value.get("endorsements", {}), f"{place}.endorsements"),
        digest,
    )


def _parts(value: Json, place: str) -> dict[str, Part]:
    if not isinstance(value, dict):
        raise EvidenceMalformedError(f"`{place}` is an object")
    return {name: _part(one, f"{place}.{name:.40}") for name, one in value.items()}


def _part(value: Json, place: str) -> Part:
    if isinstance(value, list) and len(value) <= _MAX_LIST:
        return tuple(_decode(one, place) for one in value)
    return _decode(value, place)


def _decode(value: Json, place: str) -> bytes:
    try:
        return decode_base64(value if isinstance(value, str) else "?")
    except ValueError as error:
        raise EvidenceMalformedError(f"`{place}` is no base64") from error
