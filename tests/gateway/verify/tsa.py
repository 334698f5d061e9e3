"""A timestamp authority for tests: certificates made here, tokens by OpenSSL."""

import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID as Usage
from cryptography.x509.oid import NameOID, ObjectIdentifier

POLICY = "1.3.6.1.4.1.57264.2"
NOW = datetime.now(UTC).replace(microsecond=0)
_CONFIG = """\
[tsa]
default_tsa = one
[one]
serial = {folder}/serial
signer_digest = sha256
default_policy = {policy}
digests = sha256, sha384
accuracy = secs:1
ess_cert_id_chain = no
ess_cert_id_alg = sha256
"""


@dataclass(frozen=True)
class Issued:
    """A certificate with its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(Encoding.PEM).decode()


def issue(
    name: str,
    above: Issued | None = None,
    *,
    purposes: list[ObjectIdentifier] | None = None,
    critical: bool = True,
    start: datetime = NOW - timedelta(days=30),
    end: datetime = NOW + timedelta(days=30),
    twin: Issued | None = None,
) -> Issued:
    """A certificate: one that may issue others unless it has purposes. A twin has the key and
    the serial number of another."""
    key = ec.generate_private_key(ec.SECP256R1()) if twin is None else twin.key
    number = x509.random_serial_number() if twin is None else twin.certificate.serial_number
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if above is None else above.certificate.subject)
        .public_key(key.public_key())
        .serial_number(number)
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=purposes is None, path_length=None), critical=True)
    )
    if purposes is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=critical)
    signed = builder.sign(key if above is None else above.key, hashes.SHA256())
    return Issued(signed, key)


@dataclass(frozen=True)
class Authority:
    """A root, one below it, and a signer of timestamps below that."""

    folder: Path
    root: Issued
    middle: Issued
    signer: Issued

    @staticmethod
    def make(folder: Path) -> "Authority":
        folder.mkdir()
        root = issue("root")
        middle = issue("middle", root)
        signer = issue("signer", middle, purposes=[Usage.TIME_STAMPING])
        return Authority(folder, root, middle, signer)

    def stamp(
        self, message: bytes, signer: Issued | None = None, *, certificates: bool = True
    ) -> bytes:
        """A response over the message, now."""
        put = self.folder.joinpath
        put("message").write_bytes(message)
        asked = ["-query", "-data", "message", "-sha256", *(["-cert"] if certificates else [])]
        self._openssl(*asked, "-out", "request")
        return self.reply(put("request").read_bytes(), signer)

    def reply(self, request: bytes, signer: Issued | None = None) -> bytes:
        """A response to a request, now."""
        signer = signer or self.signer
        put = self.folder.joinpath
        put("serial").write_text("01")
        put("tsa.cnf").write_text(_CONFIG.format(folder=self.folder, policy=POLICY))
        put("request").write_bytes(request)
        put("signer.pem").write_text(signer.pem)
        pem = signer.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        put("key.pem").write_bytes(pem)
        self._openssl(
            "-reply", "-config", "tsa.cnf", "-queryfile", "request", "-signer", "signer.pem",
            "-inkey", "key.pem", "-out", "response",
        )  # fmt: skip
        return put("response").read_bytes()

    def _openssl(self, *arguments: str) -> None:
        command = ["openssl", "ts", *arguments]
        subprocess.run(command, cwd=self.folder, check=True, capture_output=True)
