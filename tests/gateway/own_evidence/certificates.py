"""Certificates of attestation keys by an authority made for the test, good today."""

from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from tests.gateway.attestation.chains import issue

DAY = timedelta(days=1)


def certified(key: object = None) -> tuple[bytes, x509.Certificate]:
    """A chain in PEM for a public key, any where none is given; and its root."""
    now = datetime.now(UTC)
    root = issue("authority", ca=True, begins=now - DAY, ends=now + DAY)
    public = key if isinstance(key, ec.EllipticCurvePublicKey) else root.key.public_key()
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "ak")])
    leaf = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(root.certificate.subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - DAY)
        .not_valid_after(now + DAY)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(root.key, hashes.SHA384())
    )
    both = (leaf, root.certificate)
    return b"".join(one.public_bytes(Encoding.PEM) for one in both), root.certificate
