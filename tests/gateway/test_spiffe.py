"""SPIFFE certificates: an ID counts only from an authority of its own trust domain."""

from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from gateway.callers import Identity, Peer, Role
from gateway.callers.spiffe import TrustDomain, TrustDomains, TrustDomainSettings, domain_of
from gateway.errors import AuthenticationError, AuthorisationError, ConfigurationError
from tests.gateway.certificates import DER, PEM, Authority, Issued, authority

ID = "spiffe://clinic.example/ns/batch/sa/scheduler"
GRANT: dict[str, Any] = {"id": ID, "tenants": ["clinic-a"], "roles": ["scheduler"]}
FOLDER: dict[str, Any] = {
    "id": "spiffe://clinic.example/audit/*", "tenants": ["clinic-a", "clinic-b"],
    "roles": ["auditor"],
}  # fmt: skip
NOW = datetime.now(UTC)
HOUR = timedelta(hours=1)


@cache
def root(name: str) -> Authority:
    return authority(name)


def domain(folder: Path, name: str, *grants: dict[str, Any], pem: bytes | None = None) -> Any:
    bundle = folder / f"{name}.pem"
    bundle.write_bytes(root(name).pem if pem is None else pem)
    settings = {"name": name, "bundle": bundle, "grant": grants}
    return TrustDomain.load(TrustDomainSettings.model_validate(settings))


@pytest.fixture
def domains(tmp_path: Path) -> TrustDomains:
    other: dict[str, Any] = {**GRANT, "id": "spiffe://other.example/x", "tenants": ["other"]}
    return TrustDomains(
        [
            domain(tmp_path, "clinic.example", GRANT, FOLDER),
            domain(tmp_path, "other.example", other),
        ]
    )


def identify(domains: TrustDomains, issued: Issued, now: datetime = NOW) -> Identity:
    sent = tuple(one.public_bytes(DER) for one in issued.chain)
    return domains.identify(Peer(issued.der, sent), now=now)


def test_a_certificate_of_its_trust_domain_has_the_grant_of_its_id(domains: TrustDomains) -> None:
    for leaf in (
        root("clinic.example").leaf(ID),
        root("clinic.example").leaf(ID, dns="scheduler.clinic.example"),
        root("clinic.example").below().leaf(ID),
    ):
        found = identify(domains, leaf)
        assert (found.id, found.tenants, found.roles) == (ID, ("clinic-a",), {Role.SCHEDULER})
    found = identify(domains, root("clinic.example").leaf("spiffe://clinic.example/audit/x/y"))
    assert (found.tenants, found.roles) == (("clinic-a", "clinic-b"), {Role.AUDITOR})


def test_an_authority_of_one_trust_domain_cannot_speak_for_another(domains: TrustDomains) -> None:
    """The handshake would believe it: both are among its authorities."""
    for leaf in (
        root("other.example").leaf(ID),
        root("other.example").below().leaf(ID),
        root("clinic.example").leaf("spiffe://other.example/x"),
    ):
        with pytest.raises(AuthenticationError, match="vouches"):
            identify(domains, leaf)


def test_it_counts_for_its_time_alone_also_on_a_connection_that_is_open(
    domains: TrustDomains,
) -> None:
    leaf = root("clinic.example").leaf(ID, begins=NOW - HOUR, ends=NOW + HOUR)
    for _ in range(2):  # verified, and remembered
        identify(domains, leaf)
    for now in (NOW + 2 * HOUR, NOW - 2 * HOUR):
        with pytest.raises(AuthenticationError, match="expired"):
            identify(domains, leaf, now)
    stale = root("clinic.example").leaf(ID, begins=NOW - 2 * HOUR, ends=NOW - HOUR)
    with pytest.raises(AuthenticationError, match="vouches"):
        identify(domains, stale)


BAD: list[tuple[str, tuple[str, ...], dict[str, Any]]] = [
    ("no URI", (), {}),
    ("a DNS name alone", (), {"dns": "clinic.example"}),
    ("two URIs", (ID, "https://clinic.example"), {}),
    ("two SPIFFE IDs", (ID, "spiffe://clinic.example/audit/x"), {}),
    ("the same ID twice", (ID, ID), {}),
    ("another scheme", ("https://clinic.example/ns/batch/sa/scheduler",), {}),
    ("a scheme in capitals", ("SPIFFE://clinic.example/audit/x",), {}),
    ("a trust domain in capitals", ("spiffe://Clinic.example/audit/x",), {}),
    ("a trust domain with a port", ("spiffe://clinic.example:443/audit/x",), {}),
    ("a user", ("spiffe://root@clinic.example/audit/x",), {}),
    ("a query", (ID + "?x",), {}),
    ("a fragment", (ID + "#x",), {}),
    ("an escape", ("spiffe://clinic.example/audit/%2e%2e/x",), {}),
    ("a step up", ("spiffe://clinic.example/audit/../ns/batch/sa/scheduler",), {}),
    ("an empty segment", ("spiffe://clinic.example/audit//x",), {}),
    ("a slash at the end", (ID + "/",), {}),
    ("too long", ("spiffe://clinic.example/audit/" + "x" * 2048,), {}),
    ("an unknown trust domain", ("spiffe://clinic.example.evil/audit/x",), {}),
    ("no trust domain", ("spiffe:///audit/x",), {}),
    ("an authority", (ID,), {"ca": True}),
    ("a certificate of servers", (ID,), {"usage": ExtendedKeyUsageOID.SERVER_AUTH}),
]


@pytest.mark.parametrize(("uris", "more"), [c[1:] for c in BAD], ids=[c[0] for c in BAD])
def test_a_certificate_that_names_no_one_workload_is_refused(
    domains: TrustDomains, uris: tuple[str, ...], more: dict[str, Any]
) -> None:
    with pytest.raises(AuthenticationError):
        identify(domains, root("clinic.example").leaf(*uris, **more))


@pytest.mark.parametrize(
    "uri",
    [
        "spiffe://clinic.example",
        "spiffe://clinic.example/audit",
        "spiffe://clinic.example/auditx/y",
        ID + "s",
        ID.replace("batch", "Batch"),
    ],
)
def test_a_workload_that_no_grant_names_is_known_and_may_nothing(
    domains: TrustDomains, uri: str
) -> None:
    with pytest.raises(AuthorisationError, match="no grant"):
        identify(domains, root("clinic.example").leaf(uri))


@pytest.mark.parametrize(
    ("peer", "words"),
    [(Peer(b""), "read"), (Peer(b"\x30\x00"), "read"), (Peer(b"x" * 10_000), "read")],
)
def test_bytes_that_are_no_certificate_are_refused(
    domains: TrustDomains, peer: Peer, words: str
) -> None:
    with pytest.raises(AuthenticationError, match=words):
        domains.identify(peer, now=NOW)


def test_a_chain_of_garbage_does_not_count(domains: TrustDomains) -> None:
    leaf = root("clinic.example").below().leaf(ID)
    for chain in ((), (b"x",), (b"\x30\x00",) * 100, (root("other.example").issued.der,)):
        with pytest.raises(AuthenticationError):
            domains.identify(Peer(leaf.der, chain), now=NOW)


# --- settings ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "grants", "pem"),
    [
        ("clinic.example", (GRANT,), b""),
        ("clinic.example", (GRANT,), b"years of work"),
        ("clinic.example", ({**GRANT, "id": "spiffe://other.example/x"},), None),
        ("clinic.example", ({**GRANT, "id": "spiffe://clinic.example/a//*"},), None),
        ("clinic.example", ({**GRANT, "id": "*"},), None),
        ("clinic.example", ({**GRANT, "id": "spiffe://*"},), None),
        ("clinic.example", ({**GRANT, "id": "https://clinic.example/x"},), None),
    ],
)
def test_a_trust_domain_that_makes_no_sense_is_refused(
    tmp_path: Path, name: str, grants: tuple[dict[str, Any], ...], pem: bytes | None
) -> None:
    with pytest.raises(ConfigurationError):
        domain(tmp_path, name, *grants, pem=pem)


def test_a_leaf_is_no_authority(tmp_path: Path) -> None:
    leaf = root("clinic.example").leaf(ID).certificate.public_bytes(PEM)
    with pytest.raises(ConfigurationError, match="no authority"):
        domain(tmp_path, "clinic.example", GRANT, pem=leaf)


@pytest.mark.parametrize("name", ["", "Clinic", "a/b", "a:1", "spiffe://a", "é"])
def test_a_name_that_is_no_trust_domain_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="validation error"):
        TrustDomainSettings.model_validate({"name": name, "bundle": tmp_path, "grant": [GRANT]})


def test_the_domain_of_an_id_is_what_stands_before_its_path() -> None:
    assert domain_of("spiffe://clinic.example") == "clinic.example"
    assert domain_of(ID) == "clinic.example"
