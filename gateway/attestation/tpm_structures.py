"""Structures of TPM 2.0 as they are marshalled (TCG TPM 2.0 Library, Part 2), read by their
declared lengths.

Numbers of algorithms are those of the TCG Algorithm Registry.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from gateway.attestation.errors import EvidenceMalformedError, EvidenceUnsupportedError

MAX_STRUCTURE = 16 * 1024
MAGIC = 0xFF544347
QUOTE, CERTIFY = 0x8018, 0x8017

RSA, ECC, NULL = 0x0001, 0x0023, 0x0010
RSASSA, RSAPSS, ECDSA = 0x0014, 0x0016, 0x0018
SHA1, SHA256, SHA384, SHA512 = 0x0004, 0x000B, 0x000C, 0x000D
HASHES: Mapping[int, hashes.HashAlgorithm] = {
    SHA1: hashes.SHA1(),  # noqa: S303 - an old bank is read, and refused by policy
    SHA256: hashes.SHA256(),
    SHA384: hashes.SHA384(),
    SHA512: hashes.SHA512(),
}
HASH_NAMES = {SHA1: "sha1", SHA256: "sha256", SHA384: "sha384", SHA512: "sha512"}
_CURVES: Mapping[int, type[ec.EllipticCurve]] = {
    0x0003: ec.SECP256R1, 0x0004: ec.SECP384R1, 0x0005: ec.SECP521R1,
}  # fmt: skip
MAX_PCR = 23

# Bits of TPMA_OBJECT (section 8.3).
FIXED_TPM, FIXED_PARENT, SENSITIVE_ORIGIN = 1 << 1, 1 << 4, 1 << 5
RESTRICTED, DECRYPT, SIGN = 1 << 16, 1 << 17, 1 << 18


class Reader:
    """A place in big-endian bytes that never reads beyond their end."""

    def __init__(self, data: bytes) -> None:
        if len(data) > MAX_STRUCTURE:
            raise EvidenceMalformedError(f"a TPM structure of more than {MAX_STRUCTURE} bytes")
        self._data = data
        self._at = 0

    def take(self, size: int) -> bytes:
        end = self._at + size
        if end > len(self._data):
            raise EvidenceMalformedError("a TPM structure is cut off")
        taken = self._data[self._at : end]
        self._at = end
        return taken

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size))

    def sized(self) -> bytes:
        """A TPM2B: two bytes of length, and so many bytes."""
        return self.take(self.number(2))

    def end(self) -> None:
        if self._at != len(self._data):
            raise EvidenceMalformedError("bytes follow a TPM structure")


Selection = tuple[tuple[int, tuple[int, ...]], ...]


@dataclass(frozen=True)
class Attest:
    """TPMS_ATTEST (section 10.12.12); of a quote with selection and digest, of a certification
    with the name of the key."""

    kind: int
    signer: bytes
    extra: bytes
    clock: int
    reset_count: int
    restart_count: int
    is_safe: bool
    firmware: int
    selection: Selection = ()
    pcr_digest: bytes = b""
    name: bytes = b""


def parse_attest(data: bytes) -> Attest:
    """A quote or a certification in all of the bytes.

    Raises:
        EvidenceMalformedError: Not made by a TPM, cut, or something follows.
        EvidenceUnsupportedError: Another kind of attestation.
    """
    reader = Reader(data)
    if reader.number(4) != MAGIC:
        raise EvidenceMalformedError("the attestation does not begin as a TPM begins it")
    kind = reader.number(2)
    signer, extra = reader.sized(), reader.sized()
    clock, reset, restart = reader.number(8), reader.number(4), reader.number(4)
    is_safe, firmware = _flag(reader.number(1)), reader.number(8)
    common = (kind, signer, extra, clock, reset, restart, is_safe, firmware)
    if kind == QUOTE:
        attest = Attest(*common, selection=_selection(reader), pcr_digest=reader.sized())
    elif kind == CERTIFY:
        attest = Attest(*common, name=reader.sized())
        reader.sized()  # the qualified name
    else:
        raise EvidenceUnsupportedError(f"a TPM attestation of kind {kind:#x}")
    reader.end()
    return attest


def _flag(value: int) -> bool:
    if value > 1:
        raise EvidenceMalformedError("a flag of a TPM structure is neither 0 nor 1")
    return value == 1


def _selection(reader: Reader) -> Selection:
    """TPML_PCR_SELECTION: bit i of byte i/8 is PCR i (section 10.6.1)."""
    count = reader.number(4)
    if count > 16:
        raise EvidenceMalformedError("a quote has at most 16 selections")
    found: list[tuple[int, tuple[int, ...]]] = []
    for _ in range(count):
        bank = reader.number(2)
        bits = int.from_bytes(reader.take(reader.number(1)), "little")
        found.append((bank, tuple(pcr for pcr in range(bits.bit_length()) if bits >> pcr & 1)))
    return tuple(found)


@dataclass(frozen=True)
class Signature:
    """TPMT_SIGNATURE of RSA or ECDSA (section 11.3.4). Of RSA `s` is empty."""

    scheme: int
    hash: int
    r: bytes
    s: bytes = b""


def parse_signature(data: bytes) -> Signature:
    """The signature in all of the bytes.

    Raises:
        EvidenceMalformedError: Cut, or something follows.
        EvidenceUnsupportedError: Another scheme or hash.
    """
    reader = Reader(data)
    scheme, digest = reader.number(2), reader.number(2)
    if scheme not in (RSASSA, RSAPSS, ECDSA) or digest not in HASHES:
        raise EvidenceUnsupportedError(f"a TPM signature of scheme {scheme:#x}, hash {digest:#x}")
    r = reader.sized()
    s = reader.sized() if scheme == ECDSA else b""
    reader.end()
    return Signature(scheme, digest, r, s)


@dataclass(frozen=True)
class Public:
    """TPMT_PUBLIC of an RSA or ECC key (section 12.2.4). `raw` is what its name is the hash of.

    Attributes:
        symmetric: Algorithm, bits and mode by which a storage key protects; None without.
    """

    raw: bytes
    name_hash: int
    attributes: int
    policy: bytes
    symmetric: tuple[int, int, int] | None
    key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey

    @property
    def name(self) -> bytes:
        """The algorithm of the hash, and the hash (Part 1, section 16)."""
        digest = hashes.Hash(HASHES[self.name_hash])
        digest.update(self.raw)
        return self.name_hash.to_bytes(2) + digest.finalize()

    def has(self, *bits: int) -> bool:
        return all(self.attributes & bit for bit in bits)


def parse_public(data: bytes) -> Public:
    """A TPM2B_PUBLIC, or a TPMT_PUBLIC alone.

    Raises:
        EvidenceMalformedError: Cut, something follows, or no point of its curve.
        EvidenceUnsupportedError: Another kind of key, hash or curve.
    """
    raw = data[2:] if len(data) > 2 and int.from_bytes(data[:2]) == len(data) - 2 else data
    reader = Reader(raw)
    kind, name_hash, attributes = reader.number(2), reader.number(2), reader.number(4)
    if kind not in (RSA, ECC) or name_hash not in (SHA256, SHA384, SHA512):
        raise EvidenceUnsupportedError(f"a TPM key of kind {kind:#x}, name hash {name_hash:#x}")
    policy = reader.sized()
    symmetric = _symmetric(reader)
    _scheme(reader)
    try:
        key = _rsa(reader) if kind == RSA else _ecc(reader)
    except ValueError as error:
        raise EvidenceMalformedError("the key of a TPM is none") from error
    reader.end()
    return Public(raw, name_hash, attributes, policy, symmetric, key)


def _symmetric(reader: Reader) -> tuple[int, int, int] | None:
    algorithm = reader.number(2)
    return None if algorithm == NULL else (algorithm, reader.number(2), reader.number(2))


def _scheme(reader: Reader) -> None:
    if reader.number(2) != NULL:
        reader.number(2)  # its hash


def _rsa(reader: Reader) -> rsa.RSAPublicKey:
    reader.number(2)  # bits, which the modulus tells
    exponent = reader.number(4) or 65537
    modulus = int.from_bytes(reader.sized())
    return rsa.RSAPublicNumbers(exponent, modulus).public_key()


def _ecc(reader: Reader) -> ec.EllipticCurvePublicKey:
    curve = _CURVES.get(number := reader.number(2))
    if curve is None:
        raise EvidenceUnsupportedError(f"a TPM key of curve {number:#x}")
    _scheme(reader)  # of key derivation
    x, y = int.from_bytes(reader.sized()), int.from_bytes(reader.sized())
    return ec.EllipticCurvePublicNumbers(x, y, curve()).public_key()


# --- values of PCRs ------------------------------------------------------------------

Values = Mapping[tuple[int, int], bytes]
_SLOTS, _LIST = 16, 8


def parse_pcr_file(data: bytes) -> dict[tuple[int, int], bytes]:
    """Values by bank and number, from the file that `tpm2_quote --pcr` writes: selections and
    lists of digests as they lie in memory, in little endian.

    Raises:
        EvidenceMalformedError: It is no such file.
    """
    header = 4 + 8 * _SLOTS
    size = 4 + _LIST * 66
    lists = int.from_bytes(data[header : header + 4], "little")
    if len(data) < header + 4 or lists > 64 or len(data) != header + 4 + lists * size:
        raise EvidenceMalformedError("no file of PCR values as tpm2-tools write it")
    digests: list[bytes] = []
    for number in range(lists):
        digests += _digests(data[header + 4 + number * size :][:size])
    chosen = _chosen(data[:header])
    if len(chosen) != len(digests):
        raise EvidenceMalformedError("the file of PCR values holds others than it says")
    return dict(zip(chosen, digests, strict=True))


def _digests(data: bytes) -> list[bytes]:
    count = int.from_bytes(data[:4], "little")
    if count > _LIST:
        raise EvidenceMalformedError("a list of PCR values is too long")
    found: list[bytes] = []
    for number in range(count):
        slot = data[4 + number * 66 :][:66]
        length = int.from_bytes(slot[:2], "little")
        if length > 64:
            raise EvidenceMalformedError("a PCR value is too long")
        found.append(slot[2 : 2 + length])
    return found


def _chosen(data: bytes) -> list[tuple[int, int]]:
    count = int.from_bytes(data[:4], "little")
    if count > _SLOTS:
        raise EvidenceMalformedError("a file of PCR values has at most 16 selections")
    found: list[tuple[int, int]] = []
    for number in range(count):
        slot = data[4 + number * 8 :][:8]
        bank, used = int.from_bytes(slot[:2], "little"), min(slot[2], 4)
        bits = int.from_bytes(slot[3 : 3 + used], "little")
        found += [(bank, pcr) for pcr in range(32) if bits >> pcr & 1]
    return found
