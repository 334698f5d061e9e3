"""TPM structures written here: quotes, keys and logs that hold, to be damaged."""

import hashlib
import struct
from dataclasses import dataclass, field, replace

from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from gateway.attestation import tpm_structures as tpm
from gateway.attestation.evidence import Claims
from gateway.attestation.tpm import AttestationKey, Vouched, parse_quote, verify_quote
from gateway.attestation.tpm_structures import Public, Selection, parse_public

ATTRIBUTES = 0x50072  # fixedTPM, fixedParent, sensitiveDataOrigin, userWithAuth, restricted, sign
EK_ATTRIBUTES = 0x300B2
ECC = ec.generate_private_key(ec.SECP256R1())
RSA = rsa.generate_private_key(65537, 2048)
PCRS = (0, 1, 7, 16)
VALUES = {(tpm.SHA256, number): bytes([number]) * 32 for number in PCRS}
Private = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def sized(data: bytes) -> bytes:
    return struct.pack(">H", len(data)) + data


def public(key: Private = ECC, attributes: int = ATTRIBUTES, *, storage: bool = False) -> Public:
    """The public area of a key; of an EK where it is for storage."""
    symmetric = struct.pack(">HHH", 6, 128, 0x43) if storage else struct.pack(">H", tpm.NULL)
    if isinstance(key, rsa.RSAPrivateKey):
        scheme = struct.pack(">H", tpm.NULL) if storage else struct.pack(">HH", tpm.RSASSA, 11)
        modulus = key.public_key().public_numbers().n.to_bytes(key.key_size // 8)
        rest = struct.pack(">HI", key.key_size, 0) + sized(modulus)
        kind = tpm.RSA
    else:
        scheme = struct.pack(">H", tpm.NULL) if storage else struct.pack(">HH", tpm.ECDSA, 11)
        point = key.public_key().public_numbers()
        rest = struct.pack(">HH", 3, tpm.NULL) + sized(point.x.to_bytes(32))
        rest += sized(point.y.to_bytes(32))
        kind = tpm.ECC
    head = struct.pack(">HHI", kind, tpm.SHA256, attributes) + sized(b"")
    return parse_public(head + symmetric + scheme + rest)


@dataclass(frozen=True)
class Made:
    """What a quote is made of, and how it is looked at."""

    key: Private = ECC
    scheme: int = tpm.ECDSA
    hash: int = tpm.SHA256
    magic: int = tpm.MAGIC
    kind: int = tpm.QUOTE
    extra: bytes = b"nonce"
    reset_count: int = 2
    restart_count: int = 0
    clock: int = 1000
    safe: int = 1
    selection: Selection = ((tpm.SHA256, PCRS),)
    values: dict[tuple[int, int], bytes] = field(default_factory=lambda: dict(VALUES))
    digest: bytes | None = None
    tail: bytes = b""
    asked: Selection | None = None
    vouched: Vouched = Vouched.PINNED
    attributes: int = ATTRIBUTES
    with_public: bool = True

    def message(self) -> bytes:
        head = struct.pack(">IH", self.magic, self.kind) + sized(b"signer") + sized(self.extra)
        head += struct.pack(
            ">QIIBQ", self.clock, self.reset_count, self.restart_count, self.safe, 7
        )
        body = struct.pack(">I", len(self.selection))
        for bank, numbers in self.selection:
            bits = sum(1 << number for number in numbers)
            body += struct.pack(">HB", bank, 3) + bits.to_bytes(3, "little")
        chosen = [(bank, number) for bank, numbers in self.selection for number in numbers]
        whole = b"".join(self.values.get(one, b"") for one in chosen)
        digest = hashlib.new(tpm.HASH_NAMES[self.hash], whole).digest()
        return head + body + sized(digest if self.digest is None else self.digest) + self.tail

    def signature(self, message: bytes) -> bytes:
        digest = tpm.HASHES[self.hash]
        head = struct.pack(">HH", self.scheme, self.hash)
        if isinstance(self.key, ec.EllipticCurvePrivateKey):
            r, s = decode_dss_signature(self.key.sign(message, ec.ECDSA(digest)))
            return head + sized(r.to_bytes(32)) + sized(s.to_bytes(32))
        salt = padding.PSS(padding.MGF1(digest), digest.digest_size)
        padded = salt if self.scheme == tpm.RSAPSS else padding.PKCS1v15()
        return head + sized(self.key.sign(message, padded, digest))

    def verify(self, message: bytes | None = None, signature: bytes | None = None) -> Claims:
        sent = self.message() if message is None else message
        signed = self.signature(self.message()) if signature is None else signature
        area = public(self.key, self.attributes)
        key = AttestationKey(area.key, self.vouched, area if self.with_public else None)
        quote = parse_quote(sent, signed)
        return verify_quote(quote, key=key, values=self.values, selection=self.asked)


def with_values(made: Made, values: dict[tuple[int, int], bytes]) -> Made:
    """The quote of the old values, with others beside it."""
    chosen = [(bank, number) for bank, numbers in made.selection for number in numbers]
    digest = hashlib.sha256(b"".join(made.values[one] for one in chosen)).digest()
    return replace(made, values=values, digest=digest)


# --- event logs ----------------------------------------------------------------------


def spec_id(*banks: tuple[int, int]) -> bytes:
    data = b"Spec ID Event03\0" + bytes(8) + struct.pack("<I", len(banks))
    for bank, size in banks:
        data += struct.pack("<HH", bank, size)
    return old_event(0, 3, bytes(20), data + b"\0")


def old_event(index: int, kind: int, digest: bytes, data: bytes) -> bytes:
    return struct.pack("<II", index, kind) + digest + struct.pack("<I", len(data)) + data


def event(index: int, kind: int, digests: dict[int, bytes], data: bytes = b"") -> bytes:
    body = struct.pack("<III", index, kind, len(digests))
    for bank, digest in digests.items():
        body += struct.pack("<H", bank) + digest
    return body + struct.pack("<I", len(data)) + data
