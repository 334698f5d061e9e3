"""Statements of others, as they were published, and damaged one thing at a time."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gateway import cbor
from gateway.cose import Sign1, parse_sign1, verify_sign1
from gateway.cose_key import read_key, thumbprint, write_key
from gateway.scitt.ccf import read_services, verify_receipts
from gateway.scitt.errors import (
    ScittError,
    ScittIssuerError,
    ScittMalformedError,
    ScittReceiptError,
    ScittUndecidedError,
)
from gateway.scitt.issuers import verify_by_certificates, verify_by_hardware
from gateway.verify.receipt import Inclusion, parse_receipt, verify_inclusion_receipt
from gateway.verify.refused_receipts import ReceiptSignatureError
from gateway.verify.transparent import cose_key
from tests.gateway.verify.fresh import flip
from tests.gateway.verify.statements import KEY, Parts

ISSUER = (
    "did:x509:0:sha256:I__iuL25oXEVFdTP_aBLx_eT1RPHbCQ_ECBQfYZpt9s::eku:1.3.6.1.4.1.311.76.59.1.2"
)
LEDGER = "esrp-cts-db.confidential-ledger.azure.com"
AT = datetime(2025, 12, 22, 21, 12, tzinfo=UTC)
ATTESTED = {
    "css-attested-cosesign1-20250617.cose": "msft-css-dev",
    "css-attested-cosesign1-20250925.cose": "attestedsvc",
}


@pytest.fixture
def folder(vectors: Path) -> Path:
    return vectors / "cose-scitt"


def statement(folder: Path, name: str) -> Sign1:
    return parse_sign1((folder / name).read_bytes())


def test_every_case_that_is_no_bare_message_is_tried_here(folder: Path) -> None:
    cases = {one["id"]: one for one in json.loads((folder / "expected.json").read_text())["cases"]}
    here = {
        "scitt-transparent": "accept",
        "scitt-attested-p384": "accept",
        "scitt-attested-p256": "accept",
        "scitt-hashv": "indeterminate",
        "cose-inclusion-receipt": "indeterminate",
    }
    found = {name: one["verdict"] for name, one in cases.items() if name in here}
    assert found == here
    bare = {name.split("-")[0] for name in cases.keys() - here.keys()}
    assert bare == {"gluecose", "cose"}  # tests/gateway/test_cose.py
    assert cases["scitt-transparent"]["facts"] == {
        "txid": "458.12441",
        "registered_at": "458.12440",
    }
    assert cases["scitt-transparent"]["evaluate_at"] == "2025-12-22T21:12:00Z"


# --- issued by an owner of certificates, in a CCF ledger ------------------------------


def test_a_transparent_statement_holds(folder: Path) -> None:
    uvm = statement(folder, "uvm_0.2.10.cose")
    assert verify_by_certificates(uvm, ISSUER, at=AT) == uvm.payload
    services = read_services((folder / "esrp-cts-db.json").read_bytes())
    registered = verify_receipts(uvm, services, ledger=LEDGER)
    assert registered.signed_at == "458.12441"
    assert registered.evidence.split(":")[:2] == ["ce", "458.12440"]


def header(label: Any, value: Any) -> Callable[[Sign1], Sign1]:
    return lambda s: replace(s, protected={**s.protected, label: value})


def chain(change: Callable[[list[Any]], list[Any]]) -> Callable[[Sign1], Sign1]:
    def make(s: Sign1) -> Sign1:
        certificates: Any = s.protected[33]
        return header(33, change(certificates))(s)

    return make


Wrong = tuple[Callable[[Sign1], Sign1], str, datetime, type[ScittError]]
CERTIFICATES: dict[str, Wrong] = {
    "the signature": (
        lambda s: replace(s, signature=flip(s.signature)), ISSUER, AT, ScittIssuerError,
    ),
    "the payload": (
        lambda s: replace(s, payload=flip(s.payload or b"")), ISSUER, AT, ScittIssuerError,
    ),
    "another authority": (lambda s: s, ISSUER.replace("I__", "I_-"), AT, ScittIssuerError),
    "another purpose": (lambda s: s, ISSUER[:-1] + "3", AT, ScittIssuerError),
    "another authority that the statement names too": (
        header(15, {1: ISSUER.replace("I__", "I_-")}), ISSUER.replace("I__", "I_-"), AT,
        ScittIssuerError,
    ),
    "another purpose that the statement names too": (
        header(15, {1: ISSUER[:-1] + "3"}), ISSUER[:-1] + "3", AT, ScittIssuerError,
    ),
    "an issuer of another method": (lambda s: s, "did:web:example.com", AT, ScittUndecidedError),
    "an issuer known by its name": (
        lambda s: s, ISSUER.partition("::")[0] + "::subject:CN:x", AT, ScittUndecidedError,
    ),
    "no issuer": (header(15, 1), ISSUER, AT, ScittIssuerError),
    "no chain": (header(33, None), ISSUER, AT, ScittMalformedError),
    "a chain with a text in it": (header(33, ["x"]), ISSUER, AT, ScittMalformedError),
    "a certificate that is none": (header(33, [b"x", b"y"]), ISSUER, AT, ScittMalformedError),
    "the leaf alone": (
        chain(lambda certificates: certificates[:1]), ISSUER, AT, ScittIssuerError,
    ),
    "a chain in another order": (
        chain(lambda certificates: certificates[::-1]), ISSUER, AT, ScittIssuerError,
    ),
    "the thumbprint of another certificate": (
        header(34, [-16, bytes(32)]), ISSUER, AT, ScittIssuerError,
    ),
    "a thumbprint of another hash": (header(34, [-15, bytes(8)]), ISSUER, AT, ScittIssuerError),
    "a year later": (lambda s: s, ISSUER, AT.replace(year=2026), ScittIssuerError),
    "a year before": (lambda s: s, ISSUER, AT.replace(year=2024), ScittIssuerError),
}  # fmt: skip


@pytest.mark.parametrize("name", CERTIFICATES)
def test_a_statement_of_another_issuer_is_refused(folder: Path, name: str) -> None:
    change, issuer, at, error = CERTIFICATES[name]
    with pytest.raises(error):
        verify_by_certificates(change(statement(folder, "uvm_0.2.10.cose")), issuer, at=at)


def in_receipt(change: Callable[[Parts], object]) -> Callable[[Sign1], Sign1]:
    def make(s: Sign1) -> Sign1:
        receipts: Any = s.unprotected[394]
        receipt = Parts.of(receipts[0])
        change(receipt)
        return replace(s, unprotected={394: [receipt.encoded()]})

    return make


def in_proof(change: Callable[[Any], object]) -> Callable[[Sign1], Sign1]:
    def apply(receipt: Parts) -> None:
        proof = cbor.loads(receipt.unprotected[396][-1][0])
        change(proof)
        receipt.unprotected[396] = {-1: [cbor.dumps(proof)]}

    return in_receipt(apply)


RECEIPTS: dict[str, tuple[Callable[[Sign1], Sign1], type[ScittError]]] = {
    "no receipt": (lambda s: replace(s, unprotected={}), ScittUndecidedError),
    "a receipt of another structure": (
        in_receipt(lambda r: r.headers.update({395: 1})), ScittUndecidedError,
    ),
    "a receipt of a service that is not known": (
        in_receipt(lambda r: r.headers.update({4: b"0" * 64})), ScittUndecidedError,
    ),
    "no COSE": (lambda s: replace(s, unprotected={394: [b"\x80"]}), ScittUndecidedError),
    "another ledger": (
        in_receipt(lambda r: r.headers.update({15: {1: "x"}})), ScittReceiptError,
    ),
    "a header more": (in_receipt(lambda r: r.headers.update({16: "x"})), ScittReceiptError),
    "the signature": (
        in_receipt(lambda r: setattr(r, "signature", flip(r.signature))), ScittReceiptError,
    ),
    "a stranger's signature": (
        in_receipt(lambda r: r.signed(KEY, bytes(32))), ScittReceiptError,
    ),
    "a root in it": (
        in_receipt(lambda r: setattr(r, "payload", bytes(32))), ScittMalformedError,
    ),
    "no proof": (in_receipt(lambda r: r.unprotected.update({396: {}})), ScittMalformedError),
    "a proof that is a list": (
        in_receipt(lambda r: r.unprotected.update({396: {-1: [b"\x80"]}})), ScittMalformedError,
    ),
    "a proof that is no CBOR": (
        in_receipt(lambda r: r.unprotected.update({396: {-1: [b"\xff"]}})), ScittMalformedError,
    ),
    "another transaction": (
        in_proof(lambda p: p[1].__setitem__(0, bytes(32))), ScittReceiptError,
    ),
    "other evidence": (in_proof(lambda p: p[1].__setitem__(1, "ce:1.1:0")), ScittReceiptError),
    "the hash of another statement": (
        in_proof(lambda p: p[1].__setitem__(2, bytes(32))), ScittReceiptError,
    ),
    "a leaf of two": (in_proof(lambda p: p[1].pop()), ScittMalformedError),
    "another side": (in_proof(lambda p: p[2][0].__setitem__(0, False)), ScittReceiptError),
    "a step more": (in_proof(lambda p: p[2].append([True, bytes(32)])), ScittReceiptError),
    "a step less": (in_proof(lambda p: p[2].pop()), ScittReceiptError),
    "a side that is a number": (
        in_proof(lambda p: p[2][0].__setitem__(0, 1)), ScittMalformedError,
    ),
    "a path that is a hash": (in_proof(lambda p: p.update({2: bytes(32)})), ScittMalformedError),
    "another payload": (
        lambda s: replace(s, payload=flip(s.payload or b"")), ScittReceiptError,
    ),
    "another signature of the statement": (
        lambda s: replace(s, signature=flip(s.signature)), ScittReceiptError,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", RECEIPTS)
def test_a_receipt_that_was_changed_is_refused(folder: Path, name: str) -> None:
    change, error = RECEIPTS[name]
    services = read_services((folder / "esrp-cts-db.json").read_bytes())
    with pytest.raises(error):
        verify_receipts(change(statement(folder, "uvm_0.2.10.cose")), services, ledger=LEDGER)


def test_an_older_layout_of_receipts_is_never_taken_for_good(folder: Path) -> None:
    services = read_services((folder / "esrp-cts-db.json").read_bytes())
    older = statement(folder, "cts-hashv-cwtclaims-b64url.cose")
    with pytest.raises(ScittUndecidedError):
        verify_receipts(older, services, ledger=LEDGER)


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"parameters": [{}]}', b"\xff"])
def test_what_is_no_list_of_services_is_refused(data: bytes) -> None:
    with pytest.raises(ScittMalformedError):
        read_services(data)


# --- issued by a machine --------------------------------------------------------------


@pytest.mark.parametrize("name", ATTESTED)
def test_a_statement_of_an_attested_key_holds(folder: Path, name: str) -> None:
    s = statement(folder, name)
    told = verify_by_hardware(s, ATTESTED[name], at=AT)
    assert (told.payload, told.claims.product) == (s.payload, "Milan")
    assert told.issuer.startswith("did:attestedsvc:msft-css-dev:")


def evidence(**members: Any) -> Callable[[Sign1, str], Sign1]:
    def change(s: Sign1, service: str) -> Sign1:
        told: Any = s.protected[service]
        made = {
            name: value(told[name]) if callable(value) else value for name, value in members.items()
        }
        return replace(s, protected={**s.protected, service: {**told, **made}})

    return change


def at(place: int) -> Callable[[bytes], bytes]:
    return lambda data: flip(data, place)


def cut(data: bytes) -> bytes:
    return data[:-1]


STRANGER: Any = {1: 2, -1: 1, -2: bytes(31) + b"\1", -3: bytes(32)}
HARDWARE: dict[str, tuple[Callable[[Sign1, str], Sign1], type[ScittError]]] = {
    "the signature": (
        lambda s, _: replace(s, signature=flip(s.signature)), ScittIssuerError,
    ),
    "the payload": (lambda s, _: replace(s, payload=flip(s.payload or b"")), ScittIssuerError),
    "another key id": (
        lambda s, _: replace(s, protected={**s.protected, 4: bytes(32)}), ScittIssuerError,
    ),
    "no key": (evidence(cose_key=None), ScittMalformedError),
    "no point": (evidence(cose_key=STRANGER), ScittMalformedError),
    "another key": (evidence(cose_key=write_key(cose_key(KEY.public))), ScittIssuerError),
    "the report": (evidence(attestation=at(0x90)), ScittIssuerError),
    "the data of the report": (
        evidence(attestation=at(0x50)), ScittIssuerError,
    ),
    "a report that is cut": (evidence(attestation=cut), ScittIssuerError),
    "no report": (evidence(attestation=None), ScittMalformedError),
    "no certificates": (evidence(snp_endorsements=b""), ScittIssuerError),
    "another kind": (evidence(attestation_type="TDX"), ScittUndecidedError),
    "another version": (evidence(ver=1), ScittUndecidedError),
    "a critical header more": (
        lambda s, service: replace(s, protected={**s.protected, 2: [service, 4]}),
        ScittIssuerError,
    ),
    "no issuer": (
        lambda s, _: replace(s, protected={**s.protected, 15: {}}), ScittMalformedError,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", HARDWARE)
@pytest.mark.parametrize("file", ATTESTED)
def test_a_statement_that_no_hardware_speaks_for_is_refused(
    folder: Path, file: str, name: str
) -> None:
    change, error = HARDWARE[name]
    service = ATTESTED[file]
    with pytest.raises(error):
        verify_by_hardware(change(statement(folder, file), service), service, at=AT)


def test_evidence_of_another_service_and_of_another_time_is_refused(folder: Path) -> None:
    file, service = next(iter(ATTESTED.items()))
    s = statement(folder, file)
    with pytest.raises(ScittMalformedError):
        verify_by_hardware(s, "another", at=AT)
    with pytest.raises(ScittIssuerError):
        verify_by_hardware(s, service, at=AT.replace(year=2045))


@pytest.mark.parametrize("file", ATTESTED)
def test_a_report_of_somebody_else_speaks_for_no_key(folder: Path, file: str) -> None:
    """All that a forger can make: a key of their own, its name, and a signature that holds."""
    public, service = cose_key(KEY.public), ATTESTED[file]
    forged = Parts.of((folder / file).read_bytes())
    forged.headers[1] = -7
    forged.headers[4] = thumbprint(public)
    forged.headers[service]["cose_key"] = write_key(public)
    made = parse_sign1(forged.signed(KEY).encoded())
    assert verify_sign1(made, public, known_critical=(service,)) == made.payload
    with pytest.raises(ScittIssuerError, match="the report is of another key"):
        verify_by_hardware(made, service, at=AT)


# --- a receipt of the working group ---------------------------------------------------


def test_the_published_receipt_is_read_and_its_key_is_not_known(folder: Path) -> None:
    receipt = parse_receipt((folder / "inclusion-receipt.cbor").read_bytes())
    assert isinstance(receipt.proof, Inclusion)
    assert (receipt.proof.tree_size, receipt.proof.index) == (5, 3)
    assert len(receipt.proof.path) == 3
    stranger = read_key(dict(write_key(cose_key(KEY.public))))
    assert len(thumbprint(stranger)) == 32
    with pytest.raises(ReceiptSignatureError):
        verify_inclusion_receipt(receipt, bytes(32), stranger)
