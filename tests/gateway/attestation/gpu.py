"""Reports of GPUs made here, to be damaged."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from gateway.attestation.chain import fingerprint
from gateway.attestation.evidence import Claims
from gateway.attestation.nvidia_gpu import Report, parse_report, verify_report
from tests.gateway.attestation.chains import AT, Issued, issue

NONCE = bytes(range(32))
FWID = b"f" * 48
OID = "2.23.133.5.4.1"
FIELDS: Mapping[int, bytes] = {
    3: b"550.90.07\0",
    6: bytes.fromhex("009f009601000000"),
    15: b"882\0\0",
    17: b"1010\0",
    18: b"0200\0",
    20: FWID,
}
BLOCKS: tuple[tuple[int, bytes], ...] = tuple((index, bytes([index]) * 48) for index in (1, 2, 3))


@cache
def authorities() -> tuple[Issued, Issued]:
    root = issue("NVIDIA Device Identity CA", ca=True)
    return root, issue("GH100 A01 GSP BROM", root, ca=True)


def device(name: str = "GH100 A01 GSP FMC LF", fwid: bytes | None = FWID) -> Issued:
    extra = [] if fwid is None else [(OID, b"\x30\x34\x06\0\x04\x30" + fwid)]
    return issue(name, authorities()[1], extensions=extra)


DEVICE = device()


def block(index: int, value: bytes, specification: int = 1) -> bytes:
    inner = b"\x01" + len(value).to_bytes(2, "little") + value
    return bytes([index, specification]) + len(inner).to_bytes(2, "little") + inner


def opaque(fields: Mapping[int, bytes]) -> bytes:
    return b"".join(
        kind.to_bytes(2, "little") + len(value).to_bytes(2, "little") + value
        for kind, value in fields.items()
    )


@dataclass(frozen=True)
class Made:
    """A report with all that is needed to make and to verify it."""

    nonce: bytes = NONCE
    request: bytes = b"\x11\xe0\x01\xff"
    response: bytes = b"\x11\x60\0\0"
    record: bytes = b"".join(block(*one) for one in BLOCKS)
    count: int = len(BLOCKS)
    extra: bytes = field(default_factory=lambda: opaque(FIELDS))
    device: Issued = DEVICE
    chain: tuple[x509.Certificate, ...] | None = None
    anchors: frozenset[str] | None = None
    at: datetime = AT

    def body(self) -> bytes:
        return (
            self.request + self.nonce + b"\0" + self.response + bytes([self.count])
            + len(self.record).to_bytes(3, "little") + self.record + b"d" * 32
            + len(self.extra).to_bytes(2, "little") + self.extra
        )  # fmt: skip

    def report(self) -> bytes:
        key = self.device.key
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        size = (key.key_size + 7) // 8
        digest = key.sign(self.body(), ec.ECDSA(hashes.SHA384()))
        r, s = decode_dss_signature(digest)
        return self.body() + r.to_bytes(size).rjust(48, b"\0") + s.to_bytes(size).rjust(48, b"\0")

    def parsed(self) -> Report:
        return parse_report(self.report())

    def path(self) -> tuple[x509.Certificate, ...]:
        root, brom = authorities()
        return self.chain or (self.device.certificate, brom.certificate, root.certificate)

    def verify(self, data: bytes | None = None) -> Claims:
        anchors = self.anchors or frozenset({fingerprint(authorities()[0].certificate)})
        report = parse_report(self.report() if data is None else data)
        return verify_report(report, chain=self.path(), at=self.at, anchors=anchors)

    def having(self, **fields: bytes | None) -> "Made":
        """With another value of a field of the opaque data, such as `f3`; None takes it away."""
        changed = {f"f{kind}": value for kind, value in FIELDS.items()} | fields
        kept = {int(name[1:]): value for name, value in changed.items() if value is not None}
        return replace(self, extra=opaque(kept))
