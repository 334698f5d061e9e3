"""SEV-SNP evidence made here: reports, keys and chains that hold, to be damaged."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA384

from gateway.attestation.chain import fingerprint
from gateway.attestation.sev_snp import Report, parse_report, verify_report
from tests.gateway.attestation.chains import AT, Issued, issue

ARC = "1.3.6.1.4.1.3704.1."
CHIP = bytes(range(64))
CPU = {"Milan": (0x19, 1, 1), "Genoa": (0x19, 0x11, 1), "Turin": (0x1A, 2, 1)}


@dataclass(frozen=True)
class Made:
    """Evidence with all that is needed to verify it."""

    report: bytes
    vek: x509.Certificate
    chain: tuple[x509.Certificate, ...]
    anchors: dict[str, str]
    signer: ec.EllipticCurvePrivateKey = field(repr=False)
    crls: tuple[x509.CertificateRevocationList, ...] = ()
    at: datetime = AT

    def parsed(self) -> Report:
        return parse_report(self.report)

    def verify(self, **changes: object) -> object:
        made = replace(self, **changes) if changes else self  # pyright: ignore[reportArgumentType]
        return verify_report(
            made.parsed(), vek=made.vek, chain=made.chain, at=made.at, anchors=made.anchors,
            crls=made.crls,
        )  # fmt: skip

    def written(self, at: int, data: bytes) -> "Made":
        """With other bytes at a place of the report, signed anew."""
        body = self.report[:at] + data + self.report[at + len(data) :]
        return replace(self, report=sign(body, self.signer))

    def flipped(self, at: int) -> "Made":
        """With a bit flipped, and the signature as it was."""
        body = bytearray(self.report)
        body[at] ^= 1
        return replace(self, report=bytes(body))


@cache
def rsa_key(name: str) -> rsa.RSAPrivateKey:
    """One key for each name: they take long to make."""
    assert name
    return rsa.generate_private_key(65537, 2048)


@cache
def authorities(product: str, kind: str) -> tuple[Issued, Issued]:
    ark = issue(f"ARK-{product}", ca=True, key=rsa_key(f"ark {product}"), pss=True)
    name = f"SEV-{product}" if kind == "VCEK" else f"SEV-VLEK-{product}"
    return ark, issue(name, ark, ca=True, key=rsa_key(f"{kind} {product}"), pss=True)


def tcb(product: str, *, snp: int = 24, microcode: int = 217) -> bytes:
    if product == "Turin":
        return bytes([1, 4, 0, snp, 0, 0, 0, microcode])
    return bytes([4, 0, 0, 0, 0, 0, snp, microcode])


def extensions(product: str, kind: str, chip: bytes = CHIP) -> list[tuple[str, bytes]]:
    levels = {"3.1": 4, "3.2": 0, "3.3": 24, "3.8": 217}
    if product == "Turin":
        levels["3.9"] = 1
    listed = [("2", b"\x16" + bytes([len(product) + 3]) + f"{product}-B0".encode())]
    listed += [(number, integer(level)) for number, level in levels.items()]
    if kind == "VCEK":
        listed.append(("4", chip[:8] if product == "Turin" else chip))
    return [(ARC + number, value) for number, value in listed]


def integer(value: int) -> bytes:
    return bytes([2, 1, value]) if value < 0x80 else bytes([2, 2, 0, value])


def made(product: str = "Milan", kind: str = "VCEK", version: int = 3) -> Made:
    """Evidence that holds."""
    ark, ask = authorities(product, kind)
    vek = issue(f"SEV-{kind}", ask, pss=True, extensions=extensions(product, kind))
    assert isinstance(vek.key, ec.EllipticCurvePrivateKey)
    body = bytearray(0x4A0)
    body[0:4] = version.to_bytes(4, "little")
    body[8:16] = (0x30000).to_bytes(8, "little")
    body[0x34] = 1
    body[0x48] = 0 if kind == "VCEK" else 1 << 2
    body[0x50:0x90] = b"n" * 64
    body[0x90:0xC0] = b"m" * 48
    for at in (0x38, 0x180, 0x1E0, 0x1F0):
        body[at : at + 8] = tcb(product)
    if version >= 3:
        body[0x188:0x18B] = bytes(CPU[product])
    if kind == "VCEK":
        chip = CHIP[:8].ljust(64, b"\0") if product == "Turin" else CHIP
        body[0x1A0:0x1E0] = chip
    anchors = {product: fingerprint(ark.certificate)}
    chain = (ask.certificate, ark.certificate)
    report = sign(bytes(body), vek.key)
    return Made(report, vek.certificate, chain, anchors, vek.key)


def sign(body: bytes, key: ec.EllipticCurvePrivateKey) -> bytes:
    """The report with a signature over its first bytes in place."""
    r, s = decode_dss_signature(key.sign(body[:0x2A0], ec.ECDSA(SHA384())))
    signature = r.to_bytes(72, "little") + s.to_bytes(72, "little")
    return body[:0x2A0] + signature + body[0x330:]
