"""TDX evidence made here: quotes, PCKs and statements that hold, to be damaged."""

import hashlib
import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.attestation.chain import fingerprint
from gateway.attestation.evidence import Claims
from gateway.attestation.tdx import Part, verify_quote
from gateway.attestation.tdx_collateral import Collateral, Signed
from gateway.attestation.tdx_quote import Quote, parse_quote
from tests.gateway.attestation.chains import AT, DAY

SHA256 = ec.ECDSA(hashes.SHA256())
SGX = "1.2.840.113741.1.13.1"
FMSPC = bytes.fromhex("b0c06f000000")
PPID = bytes(range(16))
SVNS = (3, 3, 2, 2, 4, 1, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0)
PCE_SVN = 11
TEE = bytes.fromhex("06010300") + bytes(12)
QE_SIGNER = "dc9e2a7c6f948f17474e34a7fc43ed030f7c1563f1babddf6340c82e0e54a8c5"
VENDOR = bytes.fromhex("939a7233f79c4ca9940a0db3957f0607")
Object = dict[str, Any]


# --- certificates ----------------------------------------------------------------------


@dataclass(frozen=True)
class Issued:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey = field(repr=False)

    def sign(self, data: bytes) -> bytes:
        return signature(self.key, data)


def signature(key: ec.EllipticCurvePrivateKey, data: bytes) -> bytes:
    """r and s, 32 bytes each."""
    r, s = decode_dss_signature(key.sign(data, SHA256))
    return r.to_bytes(32) + s.to_bytes(32)


def issue(
    name: str,
    issuer: Issued | None = None,
    *,
    ca: bool = False,
    key: ec.EllipticCurvePrivateKey | None = None,
    sgx: bytes | None = None,
    begins: datetime = AT - DAY,
    ends: datetime = AT + 2 * DAY,
) -> Issued:
    """A certificate as Intel's service issues them: P-256 and SHA-256."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    above = issuer or Issued(None, key)  # pyright: ignore[reportArgumentType]
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    public = above.key.public_key()
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
        .add_extension(x509.BasicConstraints(ca, None), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(public), critical=False)
        .add_extension(usage(ca), critical=True)
    )
    if sgx is not None:
        extension = x509.UnrecognizedExtension(x509.ObjectIdentifier(SGX), sgx)
        built = built.add_extension(extension, critical=False)
    return Issued(built.sign(above.key, hashes.SHA256()), key)


def usage(ca: bool) -> x509.KeyUsage:
    no = dict.fromkeys(
        ("key_encipherment", "data_encipherment", "key_agreement", "encipher_only",
         "decipher_only"), False,
    )  # fmt: skip
    return x509.KeyUsage(
        digital_signature=not ca, content_commitment=not ca, key_cert_sign=ca, crl_sign=ca, **no
    )


def crl(
    issuer: Issued, *revoked: x509.Certificate, begins: datetime = AT - DAY,
    ends: datetime = AT + DAY, signer: Issued | None = None,
) -> bytes:  # fmt: skip
    public = issuer.key.public_key()
    built = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.certificate.subject)
        .last_update(begins)
        .next_update(ends)
        .add_extension(x509.CRLNumber(1), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(public), critical=False)
    )
    for one in revoked:
        entry = x509.RevokedCertificateBuilder().serial_number(one.serial_number)
        built = built.add_revoked_certificate(entry.revocation_date(AT - DAY).build())
    return built.sign((signer or issuer).key, hashes.SHA256()).public_bytes(Encoding.DER)


def pem(*chain: Issued) -> bytes:
    return b"".join(one.certificate.public_bytes(Encoding.PEM) for one in chain)


# --- the extension of a PCK ------------------------------------------------------------


def tlv(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    length = size.to_bytes(1 if size < 0x100 else 2)
    return bytes([tag, 0x80 | len(length)]) + length + content


def member(number: bytes, value: bytes) -> bytes:
    oid = tlv(6, bytes.fromhex("2a864886f84d010d01") + number)
    return tlv(0x30, oid + value)


def integer(value: int) -> bytes:
    return tlv(2, value.to_bytes(1 if value < 0x80 else 2))


def extension(**changes: bytes | None) -> bytes:
    """The SGX extension; by name, a member can be another, or left out."""
    svns = b"".join(member(bytes([2, n]), integer(svn)) for n, svn in enumerate(SVNS, start=1))
    rest = member(b"\2\x11", integer(PCE_SVN)) + member(b"\2\x12", tlv(4, bytes(SVNS)))
    members: dict[str, bytes | None] = {
        "ppid": member(b"\1", tlv(4, PPID)),
        "tcb": member(b"\2", tlv(0x30, svns + rest)),
        "pce_id": member(b"\3", tlv(4, bytes(2))),
        "fmspc": member(b"\4", tlv(4, FMSPC)),
        "sgx_type": member(b"\5", tlv(10, b"\1")),
        "instance": member(b"\6", tlv(4, bytes(16))),
        "configuration": member(b"\7", tlv(0x30, member(b"\7\1", tlv(1, b"\xff")))),
        **changes,
    }
    return tlv(0x30, b"".join(one for one in members.values() if one is not None))


@dataclass(frozen=True)
class Authorities:
    root: Issued
    platform: Issued
    pck: Issued
    signer: Issued


@cache
def authorities() -> Authorities:
    root = issue("Intel SGX Root CA", ca=True)
    platform = issue("Intel SGX PCK Platform CA", root, ca=True)
    pck = issue("Intel SGX PCK Certificate", platform, sgx=extension())
    return Authorities(root, platform, pck, issue("Intel SGX TCB Signing", root))


# --- statements ------------------------------------------------------------------------


def dated(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"


def level(status: str = "UpToDate", **tcb: object) -> Object:
    return {"tcb": tcb, "tcbDate": "2024-03-13T00:00:00Z", "tcbStatus": status}


def platform_level(
    status: str = "UpToDate", *, sgx: tuple[int, ...] = SVNS, tdx: bytes = b"\5\0\2" + bytes(13),
    pce: int = PCE_SVN, advisories: tuple[str, ...] = (),
) -> Object:  # fmt: skip
    found = level(
        status, sgxtcbcomponents=[{"svn": one} for one in sgx], pcesvn=pce,
        tdxtcbcomponents=[{"svn": one} for one in tdx],
    )  # fmt: skip
    return {**found, "advisoryIDs": list(advisories)} if advisories else found


MODULE: Object = {"mrsigner": "00" * 48, "attributes": "00" * 8, "attributesMask": "FF" * 8}
MODULES: list[Object] = [
    {"id": "TDX_03", **MODULE, "tcbLevels": [level(isvsvn=3)]},
    {"id": "TDX_01", **MODULE, "tcbLevels": [level(isvsvn=4), level("OutOfDate", isvsvn=2)]},
]
INFO: Object = {
    "id": "TDX", "version": 3, "issueDate": dated(AT - DAY), "nextUpdate": dated(AT + DAY),
    "fmspc": FMSPC.hex().upper(), "pceId": "0000", "tcbType": 0, "tcbEvaluationDataNumber": 17,
    "tdxModule": MODULE, "tdxModuleIdentities": MODULES,
    "tcbLevels": [platform_level()],
}  # fmt: skip
IDENTITY: Object = {
    "id": "TD_QE", "version": 2, "issueDate": dated(AT - DAY), "nextUpdate": dated(AT + DAY),
    "tcbEvaluationDataNumber": 17, "miscselect": "00000000", "miscselectMask": "FFFFFFFF",
    "attributes": "11" + "00" * 15, "attributesMask": "FB" + "FF" * 7 + "00" * 8,
    "mrsigner": QE_SIGNER.upper(), "isvprodid": 2, "tcbLevels": [level(isvsvn=4)],
}  # fmt: skip


# --- quotes ----------------------------------------------------------------------------


def td_body(*, is_15: bool = False) -> bytes:
    body = bytearray(648 if is_15 else 584)
    body[0:16] = TEE
    body[16:64] = b"s" * 48
    body[120:128] = (1 << 28).to_bytes(8, "little")
    body[136:184] = b"m" * 48
    for number in range(4):
        body[328 + 48 * number : 376 + 48 * number] = bytes([number]) * 48
    body[520:584] = b"n" * 64
    return bytes(body)


def qe_report() -> bytes:
    report = bytearray(384)
    report[48] = 0x15
    report[64:96] = b"e" * 32
    report[128:160] = bytes.fromhex(QE_SIGNER)
    report[256:260] = struct.pack("<HH", 2, 6)
    return bytes(report)


def _key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@dataclass(frozen=True)
class Made:
    """Evidence with all that is needed to verify it. What is replaced is signed anew; `raw`
    replaces the whole quote."""

    version: int = 4
    header: bytes = struct.pack("<HI", 2, 0x81) + bytes(4) + VENDOR + bytes(20)
    kind: int = 3
    body: bytes = td_body()
    qe: bytes = qe_report()
    vouched: bytes | None = None
    vouched_tail: bytes = bytes(32)
    authentication: bytes = bytes(range(32))
    chain: tuple[Issued, ...] = ()
    certification: tuple[int, int] = (6, 5)
    inner_tail: bytes = b""
    outer_tail: bytes = b""
    tail: bytes = b""
    size: int | None = None
    attestation: ec.EllipticCurvePrivateKey = field(default_factory=_key, repr=False)
    point: bytes | None = None
    raw: bytes | None = None
    info: Mapping[str, Any] = field(default_factory=lambda: INFO)
    identity: Mapping[str, Any] = field(default_factory=lambda: IDENTITY)
    changes: Mapping[str, Any] = field(default_factory=dict[str, Any])
    anchors: frozenset[str] | None = None
    at: datetime = AT
    without: frozenset[Part] = frozenset()

    def quote(self) -> bytes:
        if self.raw is not None:
            return self.raw
        point = self.attestation.public_key().public_numbers()
        key = self.point or point.x.to_bytes(32) + point.y.to_bytes(32)
        digest = hashlib.sha256(key + self.authentication).digest()
        qe = self.qe[:320] + (digest if self.vouched is None else self.vouched) + self.vouched_tail
        chain = self.chain or (authorities().pck, authorities().platform, authorities().root)
        certificates = pem(*chain)
        outer, kind = self.certification
        inner = qe + chain[0].sign(qe)
        inner += struct.pack("<H", len(self.authentication)) + self.authentication
        inner += struct.pack("<HI", kind, len(certificates)) + certificates + self.inner_tail
        body = struct.pack("<H", self.version) + self.header
        if self.version == 5:
            body += struct.pack(
                "<HI", self.kind, len(self.body) if self.size is None else self.size
            )
        body += self.body
        data = signature(self.attestation, body) + key + struct.pack("<HI", outer, len(inner))
        data += inner + self.outer_tail
        return body + struct.pack("<I", len(data)) + data + self.tail

    def parsed(self) -> Quote:
        return parse_quote(self.quote())

    def collateral(self) -> Collateral:
        own = authorities()
        found = Collateral(
            tcb_info=signed(self.info, own.signer),
            qe_identity=signed(self.identity, own.signer),
            root_crl=crl(own.root),
            pck_crl=crl(own.platform),
        )
        return replace(found, **self.changes)

    def verify(self) -> Claims:
        pinned = frozenset({fingerprint(authorities().root.certificate)})
        return verify_quote(
            self.parsed(), collateral=self.collateral(), at=self.at,
            anchors=pinned if self.anchors is None else self.anchors, without=self.without,
        )  # fmt: skip

    def written(self, at: int, data: bytes) -> "Made":
        """With other bytes in the report of the guest, signed anew."""
        return replace(self, body=self.body[:at] + data + self.body[at + len(data) :])

    def qe_written(self, at: int, data: bytes) -> "Made":
        """The same of the report of the quoting enclave."""
        return replace(self, qe=self.qe[:at] + data + self.qe[at + len(data) :])

    def flipped(self, at: int) -> "Made":
        """With a bit flipped, and the signatures as they were."""
        whole = bytearray(self.quote())
        whole[at] ^= 1
        return replace(self, raw=bytes(whole))


def signed(statement: Mapping[str, Any], signer: Issued, *chain: Issued) -> Signed:
    raw = json.dumps(statement, separators=(",", ":")).encode()
    return Signed(raw, signer.sign(raw), pem(*(chain or (signer, authorities().root))))
