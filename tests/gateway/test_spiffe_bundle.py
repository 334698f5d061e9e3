"""SPIFFE bundles and certificate files: those of a public test suite, and damaged ones."""

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given
from hypothesis import strategies as st
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from gateway.callers import Peer
from gateway.callers.spiffe import TrustDomain, TrustDomains, TrustDomainSettings, read_svid
from gateway.callers.spiffe_bundle import (
    MAX_BUNDLE,
    MAX_KEYS,
    read_bundle,
    read_jwt_authorities,
)
from gateway.errors import AuthenticationError, ConfigurationError, GatewayError, IssuerKeysError
from tests.gateway.certificates import DER, PEM, authority

READ: dict[str, Callable[[bytes], object]] = {
    "pem": read_svid,
    "jwks": read_jwt_authorities,
    "bundle": read_bundle,
}
REASONS = {
    "svid-ca-true": (AuthenticationError, "of an authority"),
    "svid-certsign": (AuthenticationError, "of an authority"),
    "svid-empty-id": (AuthenticationError, "exactly one URI"),
    "svid-intermediate-no-ca": (AuthenticationError, "above is of no authority"),
    "jwks-no-kid": (IssuerKeysError, "no id"),
    "bundle-empty": (IssuerKeysError, "no authority"),
}
ACCEPTED = {"svid-good", "svid-good-intermediate", "jwks-good", "bundle-good"}


def expected(folder: Path) -> dict[str, dict[str, Any]]:
    listed = json.loads((folder / "expected.json").read_bytes())["cases"]
    return {one["id"]: one for one in listed}


def test_no_case_is_left_out(vectors: Path) -> None:
    found = expected(vectors / "spiffe")
    assert found.keys() == ACCEPTED | REASONS.keys()
    assert {name for name, case in found.items() if case["verdict"] == "accept"} == ACCEPTED


@pytest.mark.parametrize("name", sorted(ACCEPTED | REASONS.keys()))
def test_published_files_get_their_verdict(vectors: Path, name: str) -> None:
    case = expected(vectors / "spiffe")[name]
    [(kind, file)] = case["files"].items()
    data = (vectors / "spiffe" / file).read_bytes()
    if name in ACCEPTED:
        assert READ[kind](data)
        return
    error, words = REASONS[name]
    with pytest.raises(error, match=words):
        READ[kind](data)


def test_published_files_say_what_they_hold(vectors: Path) -> None:
    folder = vectors / "spiffe"
    svid = read_svid((folder / "x509/good-leaf-and-intermediate.pem").read_bytes())
    assert (svid.id, len(svid.chain)) == ("spiffe://example.org/workload-1", 1)
    bundle = read_bundle((folder / "bundle/spiffebundle_valid_1.json").read_bytes())
    assert len(bundle.x509_authorities) == 1
    assert bundle.jwt_authorities is not None
    assert bundle.jwt_authorities.keys() == {"C6vs25welZOx6WksNYfbMfiw9l96pMnD"}


# --- bundles made here ---------------------------------------------------------------

ROOT = authority("clinic.example")
ID = "spiffe://clinic.example/ns/batch/sa/scheduler"
LEAF = ROOT.leaf(ID)


def x509_jwk(
    certificate: x509.Certificate | None = None,
    owner: x509.Certificate | None = None,
    **more: object,
) -> dict[str, object]:
    key = (owner or ROOT.issued.certificate).public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    der = (certificate or ROOT.issued.certificate).public_bytes(DER)
    own = ECAlgorithm.to_jwk(key, as_dict=True)
    return {**own, "use": "x509-svid", "x5c": [base64.b64encode(der).decode()], **more}


def jwt_jwk(**more: object) -> dict[str, object]:
    key = ec.generate_private_key(ec.SECP384R1()).public_key()
    return {**ECAlgorithm.to_jwk(key, as_dict=True), "use": "jwt-svid", "kid": "a", **more}


def rsa_jwk(bits: int) -> dict[str, object]:
    key = rsa.generate_private_key(65537, bits).public_key()
    return {**RSAAlgorithm.to_jwk(key, as_dict=True), "use": "jwt-svid", "kid": "r"}


def bundle(*keys: object, **more: object) -> bytes:
    return json.dumps({"keys": keys, **more}).encode()


def test_a_bundle_tells_its_authorities_and_leaves_out_other_uses() -> None:
    other = {"kty": "oct", "k": "AA", "use": "wimse-svid"}
    found = read_bundle(
        bundle(x509_jwk(), jwt_jwk(), rsa_jwk(2048), other, spiffe_sequence=7,
               spiffe_refresh_hint=60)
    )  # fmt: skip
    assert found.x509_authorities == (ROOT.issued.certificate,)
    assert (found.jwt_authorities or {}).keys() == {"a", "r"}
    assert (found.sequence, found.refresh_hint_s) == (7, 60)


BAD_BUNDLES: dict[str, Callable[[], bytes]] = {
    "no bytes": lambda: b"",
    "a list": lambda: b"[]",
    "too long": lambda: bundle(x509_jwk()) + b" " * MAX_BUNDLE,
    "too deep": lambda: b'{"keys":' + b"[" * 100_000,
    "keys that are no list": lambda: b'{"keys": {}}',
    "a key that is a text": lambda: bundle("x"),
    "too many keys": lambda: bundle(*["x"] * (MAX_KEYS + 1)),
    "only keys of other uses": lambda: bundle({"use": "sig", "kty": "EC"}),
    "a key without use": lambda: bundle({**x509_jwk(), "use": None}),
    "a member twice": lambda: bundle(x509_jwk())[:-1] + b', "keys": []}',
    "no certificate": lambda: bundle(x509_jwk(x5c=[])),
    "two certificates": lambda: bundle(x509_jwk(x5c=["AAAA", "AAAA"])),
    "a certificate that is none": lambda: bundle(x509_jwk(x5c=["AAAA"])),
    "a certificate in no base64": lambda: bundle(x509_jwk(x5c=["?"])),
    "the certificate of a workload": lambda: bundle(x509_jwk(LEAF.certificate, LEAF.certificate)),
    "a certificate of another key": lambda: bundle(
        x509_jwk(authority("other.example").issued.certificate)
    ),
    "a token key without id": lambda: bundle(jwt_jwk(kid=None)),
    "an empty id": lambda: bundle(jwt_jwk(kid="")),
    "two token keys of one id": lambda: bundle(jwt_jwk(), jwt_jwk()),
    "a private key": lambda: bundle(jwt_jwk(d="AAAA")),
    "a shared secret": lambda: bundle({"kty": "oct", "k": "AA", "use": "jwt-svid", "kid": "a"}),
    "a point on no curve": lambda: bundle(jwt_jwk(x="AAAA")),
    "an RSA key of 1024 bits": lambda: bundle(rsa_jwk(1024)),
    "a sequence in words": lambda: bundle(x509_jwk(), spiffe_sequence="7"),
    "a sequence that is true": lambda: bundle(x509_jwk(), spiffe_sequence=True),
    "a hint below zero": lambda: bundle(x509_jwk(), spiffe_refresh_hint=-1),
}


@pytest.mark.parametrize("damage", BAD_BUNDLES)
def test_a_bundle_that_is_none_is_refused(damage: str) -> None:
    with pytest.raises(IssuerKeysError):
        read_bundle(BAD_BUNDLES[damage]())


def trust(folder: Path, data: bytes) -> TrustDomains:
    path = folder / "bundle.json"
    path.write_bytes(data)
    grant = {"id": ID, "tenants": ["clinic-a"], "roles": ["scheduler"]}
    settings = {"name": "clinic.example", "bundle": path, "grant": [grant]}
    return TrustDomains([TrustDomain.load(TrustDomainSettings.model_validate(settings))])


def test_the_authorities_of_a_published_bundle_vouch_for_callers(tmp_path: Path) -> None:
    domains = trust(tmp_path, b"\n" + bundle(x509_jwk(), jwt_jwk()))
    assert domains.identify(Peer(LEAF.der, ()), now=datetime.now(UTC)).id == ID
    other = authority("clinic.example").leaf(ID)
    with pytest.raises(AuthenticationError):
        domains.identify(Peer(other.der, ()), now=datetime.now(UTC))


@pytest.mark.parametrize("data", [bundle(jwt_jwk()), bundle(), bundle(x509_jwk(x5c=[])), b"{", b""])
def test_a_bundle_without_authorities_of_certificates_is_no_trust_domain(
    tmp_path: Path, data: bytes
) -> None:
    with pytest.raises(ConfigurationError, match=r"bundle\.json"):
        trust(tmp_path, data)


BELOW = ROOT.below().leaf(ID)
BAD_SVIDS: dict[str, Callable[[], list[x509.Certificate]]] = {
    "no certificate": list,
    "the authority alone": lambda: [ROOT.issued.certificate],
    "the authority first": lambda: [*BELOW.chain, BELOW.certificate],
    "a workload above": lambda: [LEAF.certificate, BELOW.certificate],
    "too many above": lambda: [LEAF.certificate, *[ROOT.issued.certificate] * 9],
    "two ids": lambda: [ROOT.leaf(ID, ID + "2").certificate],
    "no id": lambda: [ROOT.leaf(dns="clinic.example").certificate],
    "an id with a query": lambda: [ROOT.leaf(ID + "?x").certificate],
    "an id of the web": lambda: [ROOT.leaf("https://clinic.example/x").certificate],
    "an authority with an id": lambda: [ROOT.leaf(ID, ca=True).certificate],
}


@pytest.mark.parametrize("damage", BAD_SVIDS)
def test_a_certificate_file_that_is_none_is_refused(damage: str) -> None:
    pem = b"".join(one.public_bytes(PEM) for one in BAD_SVIDS[damage]())
    with pytest.raises(AuthenticationError):
        read_svid(pem)


def test_a_certificate_file_tells_its_id_and_what_is_above() -> None:
    pem = b"".join(one.public_bytes(PEM) for one in (BELOW.certificate, *BELOW.chain))
    found = read_svid(pem)
    assert (found.id, found.certificate, found.chain) == (ID, BELOW.certificate, BELOW.chain)


GOOD = bundle(x509_jwk(), jwt_jwk())
SVID = LEAF.certificate.public_bytes(PEM)


@given(st.binary(max_size=60), st.integers(0, 1500))
def test_no_bytes_make_reading_fail_otherwise(data: bytes, at: int) -> None:
    for read in READ.values():
        for whole in (GOOD, SVID, b""):
            try:
                read(whole[:at] + data + whole[at + len(data) :])
            except GatewayError:
                continue
