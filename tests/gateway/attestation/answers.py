"""OCSP answers made here, to be damaged."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from tests.gateway.attestation.chains import AT, DAY, Issued, issue

EKU = ("2.5.29.37", bytes.fromhex("300a06082b06010505070309"))  # OCSP signing
GOOD, REVOKED, UNKNOWN = (
    ocsp.OCSPCertStatus.GOOD, ocsp.OCSPCertStatus.REVOKED, ocsp.OCSPCertStatus.UNKNOWN,
)  # fmt: skip


@dataclass(frozen=True)
class Made:
    """An answer about certificates of one issuer, by default from the issuer itself."""

    issuer: Issued
    about: tuple[x509.Certificate, ...]
    by: Issued | None = None
    status: ocsp.OCSPCertStatus = GOOD
    when: datetime | None = None
    reason: x509.ReasonFlags | None = None
    begins: datetime = AT - DAY / 2
    ends: datetime | None = AT + DAY / 2
    named_with: hashes.HashAlgorithm = field(default_factory=hashes.SHA384)
    signed_with: hashes.HashAlgorithm = field(default_factory=hashes.SHA384)
    by_hash: bool = False
    carries: Sequence[x509.Certificate] | None = None
    named: x509.Certificate | None = None
    key: Issued | None = None

    def data(self) -> bytes:
        author = self.by or self.issuer
        built = ocsp.OCSPResponseBuilder()
        for one in self.about:
            built = built.add_response(
                cert=one,
                issuer=self.issuer.certificate,
                algorithm=self.named_with,
                cert_status=self.status,
                this_update=self.begins,
                next_update=self.ends,
                revocation_time=self.when or (AT - DAY if self.status is REVOKED else None),
                revocation_reason=self.reason,
            )
        how = ocsp.OCSPResponderEncoding
        encoding = how.HASH if self.by_hash else how.NAME
        built = built.responder_id(encoding, self.named or author.certificate)
        carried = self.carries
        if carried is None:
            carried = [] if self.by is None else [self.by.certificate]
        if carried:
            built = built.certificates(list(carried))
        signer = (self.key or author).key
        return built.sign(signer, self.signed_with).public_bytes(Encoding.DER)


def responder(issuer: Issued, name: str = "OCSP responder", **options: object) -> Issued:
    given: dict[str, object] = {"extensions": [EKU], **options}
    return issue(name, issuer, **given)  # pyright: ignore[reportArgumentType]
