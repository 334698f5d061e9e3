"""Manifests made here, unsigned and signed: they hold, to be damaged."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway import cbor
from gateway.attestation.corim import Corim, Signer, parse_corim, verify_corim
from gateway.attestation.corim_rows import Imported, references
from gateway.attestation.evidence import Technology
from tests.gateway.attestation.cca import sign1
from tests.gateway.attestation.chains import AT, DAY

KEY = ec.generate_private_key(ec.SECP256R1())
OTHER = ec.generate_private_key(ec.SECP256R1())
SIGNER = Signer("Vendor", KEY.public_key())
PLATFORM = "tag:arm.com,2025:cca_platform#1.0.0"
REALM = "tag:arm.com,2025:cca_realm#1.0.0"
INTEL = cbor.Tagged(111, bytes.fromhex("6086480186f84d011001"))
CLASS: Any = {0: {0: cbor.Tagged(560, b"I" * 32)}}
SHA256: Any = [1, b"a" * 32]
SHA384: Any = [7, b"b" * 48]
SHA512: Any = [8, b"c" * 64]


def instant(at: datetime) -> cbor.Tagged:
    return cbor.Tagged(1, int(at.timestamp()))


def period(begins: datetime | None, ends: datetime) -> dict[Any, Any]:
    start = {} if begins is None else {0: instant(begins)}
    return {**start, 1: instant(ends)}


def measured(key: Any, *digests: Any, **more: Any) -> dict[Any, Any]:
    """A measurement; `more` by number, such as `_11="BL2"`."""
    values: dict[Any, Any] = {2: list(digests)} if digests else {}
    values |= {int(name[1:]): value for name, value in more.items()}
    return {0: key, 1: values}


def component(name: str, *digests: Any, **more: Any) -> dict[Any, Any]:
    return measured("cca.software-component", *(digests or (SHA256,)), _11=name, **more)


def pem(key: ec.EllipticCurvePrivateKey) -> cbor.Tagged:
    data = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return cbor.Tagged(554, data.decode())


@dataclass(frozen=True)
class Made:
    """What a manifest is made of, and how it is looked at."""

    triples: Any = field(default_factory=lambda: {0: [[CLASS, [component("BL2")]]]})
    profile: Any = PLATFORM
    corim: dict[Any, Any] = field(default_factory=dict[Any, Any])
    comid: dict[Any, Any] = field(default_factory=dict[Any, Any])
    signer: dict[Any, Any] = field(default_factory=lambda: {0: {0: "Vendor"}})
    protected: dict[Any, Any] = field(default_factory=dict[Any, Any])
    key: ec.EllipticCurvePrivateKey | None = KEY
    signers: tuple[Signer, ...] = (SIGNER,)
    vouched: bool = False
    at: datetime = AT
    technology: Technology | None = None
    names: dict[str, str] = field(default_factory=dict[str, str])
    change: Callable[[bytes], bytes] = lambda data: data

    def with_(self, **changes: Any) -> "Made":
        return replace(self, **changes)

    def content(self) -> Any:
        comid = _told({1: {0: b"T" * 16}, 4: self.triples, **self.comid})
        tags: Any = [cbor.Tagged(506, cbor.dumps(comid))]
        members = {0: "vendor-corim", 1: tags, 3: self.profile, **self.corim}
        return cbor.Tagged(501, _told(members))

    def data(self) -> bytes:
        if self.key is None:
            return self.change(cbor.dumps(self.content()))
        meta = cbor.dumps(self.signer)
        algorithm = -7 if self.key.key_size == 256 else -35
        protected = {1: algorithm, 3: "application/rim+cbor", 8: meta, **self.protected}
        return self.change(sign1(self.content(), self.key, _told(protected)))

    def parsed(self) -> Corim:
        return parse_corim(self.data())

    def verified(self) -> tuple[Corim, Signer | None]:
        corim = self.parsed()
        signers = self.signers
        return corim, verify_corim(corim, signers=signers, at=self.at, is_vouched=self.vouched)

    def rows(self) -> Imported:
        corim, signer = self.verified()
        return references(corim, signer, at=self.at, technology=self.technology, names=self.names)

    def digests(self) -> dict[str, list[int]]:
        """Rows by measurement, with the lengths of their digests."""
        return {
            row.reference.measurement: [len(one) // 2 for one in row.reference.any_of]
            for row in self.rows().rows
        }


def _told(members: dict[Any, Any]) -> dict[Any, Any]:
    """Without those that are `...`."""
    return {key: value for key, value in members.items() if value is not ...}


def plain(*measurements: Any, technology: Technology = Technology.SEV_SNP, **more: Any) -> Made:
    """Without a profile."""
    triples = {0: [[CLASS, list(measurements)]]}
    return Made(triples, profile=..., technology=technology, **more)


LATER = AT + 10 * DAY
