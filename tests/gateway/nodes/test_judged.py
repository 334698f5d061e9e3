"""Judging again: the same bytes, files and instant give the same, in records and out of them;
and a challenge fills the fields of every technology as they are made."""

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.attestation import sev_snp
from gateway.attestation.anchors import Anchors, read_anchors
from gateway.attestation.policy import read_policy
from gateway.nodes.attested import Attested, as_written, read_attested
from gateway.nodes.judged import judge
from gateway.nodes.register import read_register
from gateway.nodes.terms import Terms
from gateway.record.canonical import Json, canonicalise, load_strict
from tests.gateway.attestation import cca, snp
from tests.gateway.attestation.chains import AT
from tests.gateway.nodes import machines
from tests.gateway.nodes.machines import Machine

OWN = Machine()
NONCE = bytes(range(32))


def judged(document: bytes, terms: Terms, nonce: bytes | None, **changes: Any) -> Attested:
    given: dict[str, Any] = {"node": "n1", "purpose": "standing", "tenant": "t", "at": machines.NOW}
    return judge(
        document, nonce=nonce, policy=terms.policy, anchors=terms.anchors,
        register=terms.register, verifier="charter/0", **{**given, **changes},
    )  # fmt: skip


@pytest.fixture
def terms(tmp_path: Path) -> Terms:
    return machines.terms(tmp_path)


MACHINES = {
    "accepted": OWN,
    "refused by the policy": OWN.with_pcr(machines.GOOD_PCR, b"\x01" * 32),
    "of another device": Machine(machines.SECOND),
}


@pytest.mark.parametrize("what", MACHINES)
def test_what_a_record_says_is_judged_again_to_the_same(terms: Terms, what: str) -> None:
    at = machines.NOW + timedelta(microseconds=123_987)
    document = MACHINES[what].document(NONCE)
    first = judged(document, terms, NONCE, at=at)
    body = load_strict(canonicalise(first.body()), max_bytes=64 * 1024)
    recorded = read_attested(body)
    assert recorded is not None
    assert recorded.appraised_at == first.result.appraised_at == as_written(at)
    again = judged(document, terms, recorded.nonce, at=recorded.appraised_at)
    assert again.body() == body
    assert recorded.terms == first.terms == terms.named


WRONG: dict[str, dict[str, Json] | list[Json] | None] = {
    "nothing": None,
    "a list": [],
    "a digest of another kind": {"digest": "sha512:" + "0" * 64},
    "a short digest": {"digest": "sha256:00"},
    "capitals": {"register": "sha256:" + "A" * 64},
    "no node": {"node": None},
    "an unknown verdict": {"verdict": "good"},
    "an unknown place": {"place": "sure"},
    "no day": {"appraised_at": "yesterday"},
    "a nonce that is none": {"nonce": "zz"},
    "an unknown technology": {"technology": "sgx"},
    "a policy that is a text": {"policy": "x"},
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_no_result_of_a_record_is_none(terms: Terms, what: str) -> None:
    body = judged(OWN.document(NONCE), terms, NONCE).body()
    change = WRONG[what]
    assert read_attested(body | change if isinstance(change, dict) else change) is None


def with_snp(nonce: bytes, monkeypatch: pytest.MonkeyPatch) -> tuple[dict[str, Any], str, Anchors]:
    made = snp.made("Genoa").written(0x50, nonce.ljust(64, b"\0"))
    for product, pin in made.anchors.items():
        monkeypatch.setitem(sev_snp.ANCHORS, product, pin)  # pyright: ignore[reportArgumentType]
    der = [one.public_bytes(Encoding.DER) for one in (made.vek, *made.chain)]
    parts = [base64.b64encode(one).decode() for one in der]
    return {
        "technology": "sev-snp",
        "evidence": {"report": base64.b64encode(made.report).decode()},
        "endorsements": {"vek": parts[0], "chain": parts[1:]},
    }, snp.CHIP.hex(), Anchors()  # fmt: skip


def with_cca(nonce: bytes, _: pytest.MonkeyPatch) -> tuple[dict[str, Any], str, Anchors]:
    token = cca.Made(realm={**cca.realm(), 10: nonce.ljust(64, b"\0")}).token()
    public = cca.CPAK.public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    text = (
        'format = "charter-anchors/v1"\nowner = "t"\n[[cca_platform]]\n'
        f'implementation_id = "{cca.IMPLEMENTATION.hex()}"\n'
        f'instance_id = "{cca.INSTANCE.hex()}"\npem = """{pem}"""\n'
        'source = "made"\nvalid_from = 2026-01-01\n'
    )
    evidence = {"token": base64.b64encode(token).decode()}
    document = {"technology": "arm-cca", "evidence": evidence}
    return document, cca.INSTANCE.hex(), read_anchors(text.encode())


def policy_of(technology: str) -> bytes:
    return (
        'format = "charter-appraisal/v1"\nid = "t"\nowner = "t"\nsource = "t"\n'
        f'valid_from = 2026-01-01\n[[technology]]\nname = "{technology}"\nproducts = ["ANY"]\n'
    ).encode()


MADE: dict[str, Callable[..., tuple[dict[str, Any], str, Anchors]]] = {
    "sev-snp": with_snp,
    "arm-cca": with_cca,
}


@pytest.mark.parametrize("technology", MADE)
def test_a_challenge_fills_a_longer_field_from_the_left(
    technology: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    document, device, anchors = MADE[technology](NONCE, monkeypatch)
    data = json.dumps({"format": "charter-evidence/v1", **document}).encode()
    row = machines.node(attesters=[device]).replace('"tpm"', f'"{technology}"')
    terms = Terms(
        read_policy(policy_of(technology)), anchors,
        read_register(machines.register(row).encode()), {},
    )  # fmt: skip
    found = judged(data, terms, NONCE, at=AT)
    assert (found.is_genuine, found.result.freshness.value) == (True, "challenged")
    assert found.result.claims is not None
    assert found.result.claims.attester_id == device
    other = judged(data, terms, bytes(32), at=AT)
    assert (other.is_genuine, other.result.reason) == (False, "evidence-nonce")
    moved = replace(found, purpose="decision").body()
    assert moved["technology"] == technology


def test_what_was_judged_by_a_clock_that_was_ahead_does_not_count_yet(terms: Terms) -> None:
    ahead = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
    found = judged(OWN.document(NONCE), terms, NONCE, at=ahead)
    assert found.counts_at(ahead)
    assert not found.counts_at(machines.NOW)
