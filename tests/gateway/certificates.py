"""Authorities and certificates for tests: real ones, and damaged ones."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

DAY = timedelta(days=1)
PEM = serialization.Encoding.PEM
DER = serialization.Encoding.DER


@dataclass(frozen=True)
class Issued:
    """A certificate with its key, and the intermediate authorities to send with it."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    chain: tuple[x509.Certificate, ...] = ()

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(DER)

    def write(self, folder: Path, name: str) -> tuple[Path, Path]:
        """Certificate with its chain, and key, as files of their owner alone."""
        certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
        sent = (self.certificate, *self.chain)
        certificate.write_bytes(b"".join(one.public_bytes(PEM) for one in sent))
        key.write_bytes(
            self.key.private_bytes(
                PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        key.chmod(0o600)
        return certificate, key


@dataclass(frozen=True)
class Authority:
    """A certificate authority."""

    issued: Issued
    is_root: bool = True
    above: tuple[x509.Certificate, ...] = field(default=())

    @property
    def pem(self) -> bytes:
        return self.issued.certificate.public_bytes(PEM)

    def leaf(
        self,
        *uris: str,
        dns: str | None = None,
        begins: datetime | None = None,
        ends: datetime | None = None,
        ca: bool = False,
        usage: ExtendedKeyUsageOID | x509.ObjectIdentifier = ExtendedKeyUsageOID.CLIENT_AUTH,
    ) -> Issued:
        """A certificate with these URIs."""
        names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(uri) for uri in uris]
        names += [x509.DNSName(dns)] if dns else []
        key = ec.generate_private_key(ec.SECP256R1())
        made = _builder("leaf", self.issued.certificate.subject, key.public_key(), begins, ends)
        made = made.add_extension(x509.BasicConstraints(ca, None), critical=True)
        made = made.add_extension(_usage(ca=ca), critical=True)
        made = made.add_extension(_by(self.issued), critical=False)
        made = made.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)  # pyright: ignore[reportArgumentType]
        if names:
            made = made.add_extension(x509.SubjectAlternativeName(names), critical=False)
        sent = () if self.is_root else (self.issued.certificate,)
        return Issued(made.sign(self.issued.key, hashes.SHA256()), key, sent)

    def below(self) -> "Authority":
        """An intermediate authority."""
        key = ec.generate_private_key(ec.SECP256R1())
        made = _builder("below", self.issued.certificate.subject, key.public_key())
        made = made.add_extension(x509.BasicConstraints(True, 0), critical=True)
        made = made.add_extension(_usage(ca=True), critical=True)
        made = made.add_extension(_by(self.issued), critical=False)
        signed = made.sign(self.issued.key, hashes.SHA256())
        return Authority(Issued(signed, key), is_root=False)


def authority(name: str = "root") -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    made = _builder(name, _name(name), key.public_key())
    made = made.add_extension(x509.BasicConstraints(True, None), critical=True)
    made = made.add_extension(_usage(ca=True), critical=True)
    return Authority(Issued(made.sign(key, hashes.SHA256()), key))


def _builder(
    subject: str,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    begins: datetime | None = None,
    ends: datetime | None = None,
) -> x509.CertificateBuilder:
    now = datetime.now(UTC).replace(microsecond=0)
    return (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins or now - DAY)
        .not_valid_after(ends or now + DAY)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


def _by(issuer: Issued) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key())


def _usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not ca,
        key_cert_sign=ca,
        crl_sign=ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
