"""Callers by certificate: an X.509-SVID of a trust domain (SPIFFE X.509-SVID, sections 2 to 5).

The handshake has shown that the caller has the key, and that one authority of ours vouches
for the certificate. Here it must be an authority of the trust domain that the SPIFFE ID
names: another domain's may not speak for it.
"""

import re
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError
from pydantic import BaseModel, Field, field_validator

from gateway.callers.caller import Identity
from gateway.callers.grants import MODEL, IdGrant, Text
from gateway.callers.peer import Peer
from gateway.callers.spiffe_bundle import MAX_BUNDLE, is_authority, read_bundle
from gateway.errors import (
    AuthenticationError,
    AuthorisationError,
    ConfigurationError,
    IssuerKeysError,
)

MAX_ID = 2048
MAX_CHAIN = 8
_REMEMBERED = 1024
_DOMAIN = re.compile(r"[a-z0-9._-]{1,255}")
_SEGMENT = re.compile(r"[A-Za-z0-9._-]+")


class TrustDomainSettings(BaseModel):
    """A trust domain, as the configuration names it."""

    model_config = MODEL

    name: Text
    bundle: Path
    grant: tuple[IdGrant, ...] = Field(min_length=1)

    @field_validator("name")
    @classmethod
    def _is_domain(cls, name: str) -> str:
        if not _DOMAIN.fullmatch(name):
            raise ValueError("a trust domain has lower-case letters, digits, dots, - and _")
        return name


@dataclass(frozen=True)
class TrustDomain:
    """A trust domain with its authorities."""

    settings: TrustDomainSettings
    authorities: tuple[x509.Certificate, ...]

    @staticmethod
    def load(settings: TrustDomainSettings) -> "TrustDomain":
        """Read the bundle of authorities.

        Raises:
            ConfigurationError: It holds none, or one that is none; or a grant is for an ID
                of another trust domain.
        """
        path = settings.bundle
        try:
            data = path.read_bytes()
            if data.lstrip().startswith(b"{"):
                found = read_bundle(data).x509_authorities
            else:
                found = tuple(x509.load_pem_x509_certificates(data))
        except OSError as error:
            raise ConfigurationError(f"{path}: cannot read it: {error.strerror}") from error
        except IssuerKeysError as error:
            raise ConfigurationError(f"{path}: {error}") from error
        except ValueError as error:
            raise ConfigurationError(f"{path}: no certificates in PEM") from error
        if not found:
            raise ConfigurationError(f"{path}: no authority of certificates in it")
        if not all(is_authority(certificate) for certificate in found):
            raise ConfigurationError(f"{path}: a certificate in it is of no authority")
        for grant in settings.grant:
            try:
                domain = domain_of(grant.id.removesuffix("/*"))
            except AuthenticationError as error:
                raise ConfigurationError(f"`{grant.id}`: {error}") from error
            if domain != settings.name:
                raise ConfigurationError(f"`{grant.id}` is not of trust domain {settings.name}")
        return TrustDomain(settings, found)

    def verify(self, peer: Peer, at: datetime) -> None:
        """Raise `AuthenticationError` unless an authority vouches for the certificate."""
        try:
            certificate = x509.load_der_x509_certificate(peer.certificate)
            sent = [x509.load_der_x509_certificate(der) for der in peer.chain[:MAX_CHAIN]]
            policy = PolicyBuilder().store(Store(list(self.authorities))).time(at)
            policy.build_client_verifier().verify(certificate, sent)
        except (VerificationError, ValueError) as error:
            raise AuthenticationError(
                f"no authority of trust domain {self.settings.name} vouches for the certificate"
            ) from error


class TrustDomains:
    """The trust domains whose certificates count."""

    def __init__(self, domains: Sequence[TrustDomain]) -> None:
        self._domains = {domain.settings.name: domain for domain in domains}
        # The chain of a connection is verified once, and its dates at each request.
        self._verified: OrderedDict[Peer, _Verified] = OrderedDict()

    def __bool__(self) -> bool:
        return bool(self._domains)

    def tenants(self) -> set[str]:
        """Every tenant that a grant states."""
        grants = (grant for domain in self._domains.values() for grant in domain.settings.grant)
        return {tenant for grant in grants for tenant in grant.tenants}

    def authorities(self) -> str:
        """All authorities in PEM, for the handshake."""
        every = (one for domain in self._domains.values() for one in domain.authorities)
        return "".join(one.public_bytes(Encoding.PEM).decode() for one in every)

    def identify(self, peer: Peer, *, now: datetime) -> Identity:
        """Whom the certificate of a connection names.

        Raises:
            AuthenticationError: It is not of its trust domain, or does not count now.
            AuthorisationError: No grant is for its SPIFFE ID.
        """
        verified = self._verify(peer, now)
        if not verified.begins <= now <= verified.ends:
            raise AuthenticationError("this certificate has expired")
        for grant in verified.domain.settings.grant:
            if grant.names(verified.id):
                return Identity(verified.id, grant.tenants, grant.actions, grant.roles)
        raise AuthorisationError("no grant of this gateway is for this SPIFFE ID")

    def _verify(self, peer: Peer, now: datetime) -> "_Verified":
        if peer in self._verified:
            self._verified.move_to_end(peer)
            return self._verified[peer]
        try:
            certificate = x509.load_der_x509_certificate(peer.certificate)
            spiffe_id = spiffe_id_of(certificate)
        except ValueError as error:
            raise AuthenticationError("this certificate cannot be read") from error
        domain = self._domains.get(domain_of(spiffe_id))
        if domain is None:
            raise AuthenticationError("this certificate is of a trust domain that is not known")
        domain.verify(peer, now.astimezone(UTC))
        begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        verified = _Verified(domain, spiffe_id, begins, ends)
        self._verified[peer] = verified
        if len(self._verified) > _REMEMBERED:
            self._verified.popitem(last=False)
        return verified


@dataclass(frozen=True)
class _Verified:
    domain: TrustDomain
    id: str
    begins: datetime
    ends: datetime


def spiffe_id_of(certificate: x509.Certificate) -> str:
    """The SPIFFE ID of a leaf: its one URI among the subject's alternative names.

    Raises:
        AuthenticationError: It has none or several, or the certificate is of an authority.
        ValueError: It cannot be read.
    """
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    except x509.ExtensionNotFound:
        uris = []
    if len(uris) != 1:
        raise AuthenticationError("the certificate must have exactly one URI, its SPIFFE ID")
    if is_authority(certificate):
        raise AuthenticationError("the certificate is of an authority, not of a workload")
    domain_of(uris[0])
    return uris[0]


def domain_of(spiffe_id: str) -> str:
    """The trust domain of a SPIFFE ID (SPIFFE-ID, section 2).

    Raises:
        AuthenticationError: It is none.
    """
    scheme, separator, rest = spiffe_id.partition("://")
    domain, slash, path = rest.partition("/")
    segments = path.split("/") if slash else []
    right = (
        len(spiffe_id) <= MAX_ID
        and scheme == "spiffe"
        and bool(separator)
        and _DOMAIN.fullmatch(domain) is not None
        and all(_SEGMENT.fullmatch(one) and one not in (".", "..") for one in segments)
    )
    if not right:
        raise AuthenticationError("the certificate names no SPIFFE ID of a workload")
    return domain


@dataclass(frozen=True)
class Svid:
    """A certificate of a workload, with the authorities that were sent with it."""

    id: str
    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...]


def read_svid(pem: bytes) -> Svid:
    """The certificate of a workload in a PEM file. Whether a trust domain vouches for it is not
    asked here, nor whether it is valid now.

    Raises:
        AuthenticationError: It is none.
    """
    try:
        found = x509.load_pem_x509_certificates(pem[:MAX_BUNDLE])
        leaf, chain = found[0], tuple(found[1:])
        if len(chain) > MAX_CHAIN:
            raise AuthenticationError("the certificate brings too many others")
        if not _usage(leaf).digital_signature:
            raise AuthenticationError("the key of the certificate is not for signatures")
        if not all(_may_sign(one) for one in chain):
            raise AuthenticationError("a certificate above is of no authority")
        return Svid(spiffe_id_of(leaf), leaf, chain)
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.ExtensionNotFound) as error:
        raise AuthenticationError("this is no certificate of a workload") from error


def _usage(certificate: x509.Certificate) -> x509.KeyUsage:
    return certificate.extensions.get_extension_for_class(x509.KeyUsage).value


def _may_sign(certificate: x509.Certificate) -> bool:
    constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    return constraints.ca and _usage(certificate).key_cert_sign
