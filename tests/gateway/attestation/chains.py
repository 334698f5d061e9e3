"""Authorities and certificates as attestation has them: with PSS, serial 0, three hours."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

AT = datetime(2026, 6, 1, tzinfo=UTC)
DAY = timedelta(days=1)
Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True)
class Issued:
    certificate: x509.Certificate
    key: Key


def issue(
    name: str,
    issuer: Issued | None = None,
    *,
    ca: bool = False,
    path_length: int | None = None,
    key: Key | None = None,
    begins: datetime = AT - DAY,
    ends: datetime = AT + DAY,
    cert_sign: bool | None = None,
    pss: bool = False,
    issuer_name: str | None = None,
    serial: int | None = None,
    extensions: Sequence[tuple[str, bytes]] = (),
    critical: bool = False,
) -> Issued:
    """A certificate, by itself where there is no issuer."""
    key = key or ec.generate_private_key(ec.SECP384R1())
    signer = issuer.key if issuer is not None else key
    above = issuer.certificate.subject if issuer is not None else _name(name)
    built = (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(_name(issuer_name) if issuer_name else above)
        .public_key(key.public_key())
        .serial_number(serial or x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
        .add_extension(x509.BasicConstraints(ca, path_length if ca else None), critical=True)
    )
    if cert_sign is not None or ca:
        signs = ca if cert_sign is None else cert_sign
        built = built.add_extension(_usage(signs), critical=True)
    for oid, value in extensions:
        unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier(oid), value)
        built = built.add_extension(unknown, critical=critical)
    if pss:
        salt = padding.PSS(padding.MGF1(hashes.SHA384()), padding.PSS.DIGEST_LENGTH)
        made = built.sign(signer, hashes.SHA384(), rsa_padding=salt)
    else:
        made = built.sign(signer, hashes.SHA384())
    return Issued(made, key)


def revoked(
    issuer: Issued, *certificates: x509.Certificate, begins: datetime = AT - DAY,
    ends: datetime = AT + DAY, signer: Issued | None = None, when: datetime = AT - DAY,
    more: tuple[x509.ExtensionType, bool] | None = None,
) -> x509.CertificateRevocationList:  # fmt: skip
    built = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.certificate.subject)
        .last_update(begins)
        .next_update(ends)
    )
    for one in certificates:
        entry = x509.RevokedCertificateBuilder().serial_number(one.serial_number)
        built = built.add_revoked_certificate(entry.revocation_date(when).build())
    if more is not None:
        built = built.add_extension(more[0], critical=more[1])
    return built.sign((signer or issuer).key, hashes.SHA384())


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


def _usage(signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )
