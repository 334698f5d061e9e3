"""Credential activation: a secret that only one TPM can open, and only for one key (TCG TPM 2.0
Library, Part 1, section 24). Whoever gives the secret back has the AK in the TPM of the EK.
"""

from collections.abc import Callable
from dataclasses import dataclass

from cryptography.hazmat.decrepit.ciphers.modes import CFB
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.hashes import Hash, HashAlgorithm
from cryptography.hazmat.primitives.hmac import HMAC

from gateway.attestation import tpm_structures as tpm
from gateway.attestation.errors import EvidenceUnsupportedError
from gateway.attestation.tpm_structures import Public

SECRET_SIZE = 32
_AES, _CFB = 0x0006, 0x0043
_IDENTITY = b"IDENTITY\0"
_FILE_MAGIC = 0xBADCC0DE

Random = Callable[[int], bytes]


@dataclass(frozen=True)
class Credential:
    """TPM2B_ID_OBJECT and TPM2B_ENCRYPTED_SECRET, as TPM2_ActivateCredential takes them."""

    blob: bytes
    secret: bytes

    def file(self) -> bytes:
        """As `tpm2_activatecredential -i` reads them."""
        return _FILE_MAGIC.to_bytes(4) + (1).to_bytes(4) + self.blob + self.secret


def make_credential(ek: Public, name: bytes, secret: bytes, *, random: Random) -> Credential:
    """Seal a secret to the TPM of an EK and the key of a name.

    Args:
        ek: Whose maker was checked, see `gateway.attestation.tpm.endorsement_key`.
        name: Of the AK, computed from its public area here and never taken from the attester.
        secret: 32 random bytes that nobody else is told.

    Raises:
        EvidenceUnsupportedError: An EK of another kind.
    """
    digest = tpm.HASHES[ek.name_hash]
    if len(secret) != SECRET_SIZE or len(secret) > digest.digest_size:
        raise ValueError(f"a secret has {SECRET_SIZE} bytes")
    if ek.symmetric is None or ek.symmetric[0] != _AES or ek.symmetric[2] != _CFB:
        raise EvidenceUnsupportedError("the EK does not protect with AES in CFB mode")
    if isinstance(ek.key, rsa.RSAPublicKey):
        seed = random(digest.digest_size)
        oaep = padding.OAEP(padding.MGF1(digest), digest, _IDENTITY)
        sealed = ek.key.encrypt(seed, oaep)
    else:
        seed, sealed = _shared(ek.key, digest)
    storage = _kdf_a(digest, seed, b"STORAGE", name, b"", ek.symmetric[1])
    # The key is used once, so that the vector of zeros is that of the standard.
    encryptor = Cipher(AES(storage), CFB(bytes(16))).encryptor()
    encrypted = encryptor.update(_sized(secret)) + encryptor.finalize()
    integrity = _kdf_a(digest, seed, b"INTEGRITY", b"", b"", digest.digest_size * 8)
    mac = HMAC(integrity, digest)
    mac.update(encrypted + name)
    return Credential(_sized(_sized(mac.finalize()) + encrypted), _sized(sealed))


def _sized(data: bytes) -> bytes:
    return len(data).to_bytes(2) + data


def _shared(ek: ec.EllipticCurvePublicKey, digest: HashAlgorithm) -> tuple[bytes, bytes]:
    """The seed that an ephemeral key shares with the EK, and the point of that key (Part 1,
    section C.6.1)."""
    own = ec.generate_private_key(ek.curve)
    size = (ek.key_size + 7) // 8
    mine, theirs = own.public_key().public_numbers(), ek.public_numbers()
    z = own.exchange(ec.ECDH(), ek)
    context = mine.x.to_bytes(size) + theirs.x.to_bytes(size)
    hashed = Hash(digest)
    hashed.update((1).to_bytes(4) + z + _IDENTITY + context)
    return hashed.finalize(), _sized(mine.x.to_bytes(size)) + _sized(mine.y.to_bytes(size))


def _kdf_a(
    digest: HashAlgorithm, key: bytes, label: bytes, left: bytes, right: bytes, bits: int
) -> bytes:
    """KDFa (Part 1, section 11.4.10.2): NIST SP 800-108 in counter mode."""
    found = b""
    counter = 0
    while len(found) * 8 < bits:
        counter += 1
        mac = HMAC(key, digest)
        mac.update(counter.to_bytes(4) + label + b"\0" + left + right + bits.to_bytes(4))
        found += mac.finalize()
    return found[: bits // 8]
