"""Offline verification of one decision: every damage is refused for its own reason."""

import base64
import copy
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import (
    AnswerDiffersError,
    AnswerMalformedError,
    GatewayError,
    LedgerError,
    RecordError,
    TrustError,
)
from gateway.keys import CheckpointKey, DecisionKey
from gateway.ledger.log import Log
from gateway.record.canonical import canonicalise
from gateway.record.envelope import Envelope, EnvelopeSignature, sign_envelope
from gateway.record.statement import PAYLOAD_TYPE, Statement, digest_request, write_statement
from gateway.verify import Trust, VerifiedDecision, read_answer, verify_decision
from tests.gateway.ledger.logs import KEY as LOG_KEY
from tests.gateway.ledger.logs import ORIGIN, append_many, open_log

KEY, SECOND, STRANGER = (DecisionKey.generate() for _ in range(3))
TRUST = Trust(ORIGIN, LOG_KEY.public, {KEY.key_id: KEY.public, SECOND.key_id: SECOND.public})
REQUEST: dict[str, Any] = {
    "subject": {"type": "workload", "id": "trainer-7"},
    "action": {"name": "place"},
    "resource": {"type": "site", "id": "aws/us-east-1"},
}
BUNDLE = "sha256:" + "ab" * 32


def reason(rule: str) -> dict[str, Any]:
    return {"rule": rule, "status": "forbidden", "facts": [{"path": "a", "value": ["US", "CA"]}]}


def predicate(decision_id: str) -> dict[str, Any]:
    return {
        "id": decision_id,
        "decision": "permit",
        "reasons": [reason("eu/one"), reason("eu/two")],
        "missing": [],
        "obligations": [{"id": "keep-transfer-record", "parameters": {}, "due": None}],
        "advice": [],
        "bundle": BUNDLE,
        "engines": {"cedar": "permit", "rego": "permit"},
        "decided_at": "2026-11-22T06:00:00Z",
        "valid_until": "2026-11-22T06:05:00Z",
        "gateway": {"key": KEY.key_id},
    }


def signed(decision_id: str, key: DecisionKey = KEY, request: Any = REQUEST) -> Envelope:
    statement = Statement(digest_request(request), predicate(decision_id))
    return sign_envelope(write_statement(statement), PAYLOAD_TYPE, key)


def logged(log: Log, envelope: Envelope, entry_id: str) -> dict[str, Any]:
    """An envelope with its proof: a bare bundle."""
    receipt = log.append(entry_id, "clinic-a", envelope.to_bytes()).result(timeout=10)
    return {"record": envelope.to_json(), "proof": receipt.proof_text}


@dataclass(frozen=True)
class World:
    """Answers of one gateway, whose ledger went on after them."""

    answer: dict[str, Any]
    other: dict[str, Any]
    log: Log

    def damaged(self, change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        answer = copy.deepcopy(self.answer)
        change(answer)
        return answer

    def bare(self, envelope: Envelope, entry_id: str) -> dict[str, Any]:
        return logged(self.log, envelope, entry_id)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with open_log(tmp_path_factory.mktemp("ledger")) as log:
        append_many(log, 0, 5)
        answers: list[dict[str, Any]] = []
        for decision_id in ("d-1", "d-2"):
            around = {k: v for k, v in predicate(decision_id).items() if k != "gateway"}
            answers.append({**around, **logged(log, signed(decision_id), decision_id)})
            append_many(log, 5 * len(answers), 5 * len(answers) + 5)
        yield World(answers[0], answers[1], log)


# --- good ----------------------------------------------------------------------------


def test_an_answer_verifies_and_says_what_held(world: World) -> None:
    verified = verify_decision(world.answer, TRUST)
    assert (verified.id, verified.decision) == ("d-1", "permit")
    assert verified.predicate == predicate("d-1")
    assert verified.key_ids == (KEY.key_id,)
    assert (verified.origin, verified.index, verified.tree_size) == (ORIGIN, 5, 6)
    assert verified.request_digest == digest_request(REQUEST)


def test_an_answer_verifies_after_a_trip_as_text(world: World) -> None:
    for text in (json.dumps(world.answer), json.dumps(world.answer, indent=2, sort_keys=True)):
        assert verify_decision(read_answer(text.encode()), TRUST).id == "d-1"


def test_a_bare_record_and_proof_verify(world: World) -> None:
    bare = {name: world.answer[name] for name in ("record", "proof")}
    assert verify_decision(bare, TRUST).id == "d-1"


def test_a_later_proof_of_the_same_record_verifies(world: World) -> None:
    later = world.damaged(lambda a: a.update(proof=world.log.proof("d-1")))
    verified = verify_decision(later, TRUST)
    assert verified.index == 5
    assert verified.tree_size == world.log.size


def test_what_was_asked_for_is_found(world: World) -> None:
    verified = verify_decision(
        world.answer, TRUST, expect_id="d-1", expect_request=REQUEST, expect_bundle=BUNDLE
    )
    assert isinstance(verified, VerifiedDecision)


def test_lists_of_the_answer_may_stand_in_another_order(world: World) -> None:
    reordered = world.damaged(lambda a: a["reasons"].reverse())
    assert reordered != world.answer
    assert verify_decision(reordered, TRUST).id == "d-1"


def test_a_member_that_was_signed_may_also_be_shown(world: World) -> None:
    shown = world.damaged(lambda a: a.update(gateway={"key": KEY.key_id}))
    assert verify_decision(shown, TRUST).id == "d-1"


# --- around the record ---------------------------------------------------------------

AROUND: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "obligation removed": (lambda a: a["obligations"].clear(), "obligations"),
    "obligations left out": (lambda a: a.pop("obligations"), "obligations"),
    "obligation changed": (
        lambda a: a["obligations"][0].update(due="2027-01-01"),
        "obligations",
    ),
    "obligation doubled": (
        lambda a: a["obligations"].append(a["obligations"][0]),
        "obligations",
    ),
    "obligation added": (lambda a: a["obligations"].append({"id": "pay"}), "obligations"),
    "obligations no list": (
        lambda a: a.update(obligations=a["obligations"][0]),
        "obligations",
    ),
    "decision turned": (lambda a: a.update(decision="deny"), "decision"),
    "decision a truth value": (lambda a: a.update(decision=True), "decision"),
    "id of another decision": (lambda a: a.update(id="d-2"), "id"),
    "id left out": (lambda a: a.pop("id"), "id"),
    "a reason removed": (lambda a: a["reasons"].pop(), "reasons"),
    "a fact of a reason changed": (
        lambda a: a["reasons"][0]["facts"][0].update(path="b"),
        "reasons",
    ),
    "values of a fact reordered": (
        lambda a: a["reasons"][0]["facts"][0]["value"].reverse(),
        "reasons",
    ),
    "a missing fact added": (lambda a: a["missing"].append({"path": "x"}), "missing"),
    "bundle changed": (lambda a: a.update(bundle="sha256:" + "00" * 32), "bundle"),
    "an engine left out": (lambda a: a["engines"].pop("rego"), "engines"),
    "decided earlier": (lambda a: a.update(decided_at="2026-11-21T06:00:00Z"), "decided_at"),
    "valid for longer": (lambda a: a.update(valid_until="2027-11-22T06:05:00Z"), "valid_until"),
    "valid for ever": (lambda a: a.update(valid_until=None), "valid_until"),
    "advice added": (lambda a: a["advice"].append("trust us"), "advice"),
    "a member that nobody signed": (lambda a: a.update(override=True), "override"),
    "a member with an invisible letter": (lambda a: a.update({"id\u200b": "d-1"}), "id\u200b"),
    "nothing as a member that nobody signed": (lambda a: a.update(override=None), "override"),
}


@pytest.mark.parametrize("name", AROUND)
def test_an_answer_that_says_more_or_less_than_was_signed_is_refused(
    world: World, name: str
) -> None:
    change, member = AROUND[name]
    with pytest.raises(AnswerDiffersError) as caught:
        verify_decision(world.damaged(change), TRUST)
    assert caught.value.reason == "answer-differs-from-record"
    assert caught.value.member == member


# --- the record and its proof --------------------------------------------------------


def envelope_of(answer: dict[str, Any]) -> Envelope:
    record = answer["record"]
    lines = tuple(
        EnvelopeSignature(one["keyid"], base64.b64decode(one["sig"]))
        for one in record["signatures"]
    )
    return Envelope(record["payloadType"], base64.b64decode(record["payload"]), lines)


def with_envelope(answer: dict[str, Any], **parts: Any) -> dict[str, Any]:
    return {**answer, "record": replace(envelope_of(answer), **parts).to_json()}


def with_signature(
    answer: dict[str, Any], change: Callable[[EnvelopeSignature], EnvelopeSignature]
) -> dict[str, Any]:
    return with_envelope(answer, signatures=tuple(map(change, envelope_of(answer).signatures)))


def flip(data: bytes, position: int = -1) -> bytes:
    damaged = bytearray(data)
    damaged[position] ^= 1
    return bytes(damaged)


def malleable(signature: bytes) -> bytes:
    """The other signature (r, n - s), which holds as well."""
    from cryptography.hazmat.primitives.asymmetric import utils

    r, s = utils.decode_dss_signature(signature)
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    return utils.encode_dss_signature(r, order - s)


def raw(signature: bytes) -> bytes:
    from cryptography.hazmat.primitives.asymmetric import utils

    r, s = utils.decode_dss_signature(signature)
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def proof_lines(answer: dict[str, Any], change: Callable[[list[str]], object]) -> dict[str, Any]:
    lines = cast("str", answer["proof"]).split("\n")
    change(lines)
    return {**answer, "proof": "\n".join(lines)}


def swap(lines: list[str], one: int, other: int) -> None:
    lines[one], lines[other] = lines[other], lines[one]


Damage = Callable[[World], dict[str, Any]]

EVIDENCE: dict[str, tuple[Damage, str]] = {
    "M-01 one bit of the signature": (
        lambda w: with_signature(w.answer, lambda s: replace(s, signature=flip(s.signature))),
        "signature-invalid",
    ),
    "M-02 signed by a key that nobody trusts": (
        lambda w: w.bare(signed("d-9", STRANGER), "stranger"),
        "key-unknown",
    ),
    "M-02 signed by a stranger under a trusted id": (
        lambda w: with_signature(
            w.bare(signed("d-9", STRANGER), "stranger as trusted"),
            lambda s: replace(s, key_id=KEY.key_id),
        ),
        "signature-invalid",
    ),
    "M-03 key right, id of another trusted key": (
        lambda w: with_signature(w.answer, lambda s: replace(s, key_id=SECOND.key_id)),
        "key-id-mismatch",
    ),
    "M-03 key right, id unknown": (
        lambda w: with_signature(w.answer, lambda s: replace(s, key_id="0" * 64)),
        "key-id-mismatch",
    ),
    "M-04 payload changed": (
        lambda w: with_envelope(
            w.answer,
            payload=envelope_of(w.answer).payload.replace(b'"permit"', b'"refuse"'),
        ),
        "signature-invalid",
    ),
    "M-04 payload of another decision": (
        lambda w: with_envelope(w.answer, payload=envelope_of(w.other).payload),
        "signature-invalid",
    ),
    "M-05 payload type changed": (
        lambda w: with_envelope(w.answer, payload_type="application/json"),
        "payload-type",
    ),
    "M-06 a second signature that is bad": (
        lambda w: with_envelope(
            w.answer,
            signatures=(
                *envelope_of(w.answer).signatures,
                EnvelopeSignature(SECOND.key_id, envelope_of(w.answer).signatures[0].signature),
            ),
        ),
        "key-id-mismatch",
    ),
    "M-06 the same signature twice": (
        lambda w: with_envelope(w.answer, signatures=envelope_of(w.answer).signatures * 2),
        "entry-mismatch",
    ),
    "M-09 payload with spaces": (
        lambda w: w.bare(
            sign_envelope(envelope_of(w.answer).payload.replace(b'":', b'": '), PAYLOAD_TYPE, KEY),
            "spaces",
        ),
        "payload-not-canonical",
    ),
    "M-10 duplicate key in the payload": (
        lambda w: w.bare(
            sign_envelope(
                envelope_of(w.answer).payload.replace(
                    b'"decision":"permit"', b'"decision":"deny","decision":"permit"'
                ),
                PAYLOAD_TYPE,
                KEY,
            ),
            "duplicate",
        ),
        "payload-duplicate-key",
    ),
    "M-16 r and s raw": (
        lambda w: with_signature(w.answer, lambda s: replace(s, signature=raw(s.signature))),
        "signature-encoding",
    ),
    "M-17 r and s zero": (
        lambda w: with_signature(
            w.answer, lambda s: replace(s, signature=bytes.fromhex("3006020100020100"))
        ),
        "signature-range",
    ),
    "another signature by the same key": (
        lambda w: with_signature(w.answer, lambda s: replace(s, signature=malleable(s.signature))),
        "entry-mismatch",
    ),
    "M-19 proof of another decision": (
        lambda w: {**w.answer, "proof": w.other["proof"]},
        "entry-mismatch",
    ),
    "M-19 record of another decision": (
        lambda w: {**w.answer, "record": w.other["record"]},
        "entry-mismatch",
    ),
    "M-21 path shortened": (
        lambda w: proof_lines(w.answer, lambda lines: lines.pop(3)),
        "inclusion-path",
    ),
    "M-21 path lengthened": (
        lambda w: proof_lines(w.answer, lambda lines: lines.insert(3, lines[3])),
        "inclusion-path",
    ),
    "M-21 path reordered": (
        lambda w: proof_lines(w.answer, lambda lines: swap(lines, 3, 4)),
        "inclusion-root",
    ),
    "M-21 a hash changed": (
        lambda w: proof_lines(
            w.answer, lambda lines: lines.__setitem__(3, base64.b64encode(bytes(32)).decode())
        ),
        "inclusion-root",
    ),
    "M-22 wrong index": (
        lambda w: proof_lines(w.answer, lambda lines: lines.__setitem__(2, "index 4")),
        "inclusion-root",
    ),
    "M-22 wrong tree size": (
        lambda w: {
            **w.answer,
            "proof": w.answer["proof"].partition("\n\n")[0] + "\n\n" + w.log.latest_checkpoint(),
        },
        "inclusion-path",
    ),
    "M-23 empty path": (
        lambda w: proof_lines(w.answer, lambda lines: lines.__delitem__(slice(3, 5))),
        "inclusion-path-empty",
    ),
    "M-25 no final newline": (
        lambda w: {**w.answer, "proof": w.answer["proof"][:-1]},
        "checkpoint-malformed",
    ),
    "M-25 CRLF": (
        lambda w: {**w.answer, "proof": w.answer["proof"].replace("\n", "\r\n")},
        "proof-malformed",
    ),
    "M-25 checkpoint with CRLF": (
        lambda w: {**w.answer, "proof": w.answer["proof"].replace("\n6\n", "\n6\r\n")},
        "checkpoint-malformed",
    ),
    "M-25 an extension line": (
        lambda w: {**w.answer, "proof": w.answer["proof"].replace("\n6\n", "\n6\nmore\n")},
        "checkpoint-malformed",
    ),
    "M-25 size changed": (
        lambda w: {**w.answer, "proof": w.answer["proof"].replace("\n6\n", "\n7\n")},
        "checkpoint-signature",
    ),
    "M-26 leading zero in the size": (
        lambda w: {**w.answer, "proof": w.answer["proof"].replace("\n6\n", "\n06\n")},
        "checkpoint-malformed",
    ),
    "M-26 base64 without padding": (
        lambda w: proof_lines(w.answer, lambda lines: lines.__setitem__(3, lines[3][:-1])),
        "proof-malformed",
    ),
    "record with a member more": (
        lambda w: w.damaged(lambda a: a["record"].update(extra=1)),
        "envelope-malformed",
    ),
    "signature with white space": (
        lambda w: w.damaged(
            lambda a: a["record"]["signatures"][0].update(
                sig=" " + a["record"]["signatures"][0]["sig"]
            )
        ),
        "envelope-malformed",
    ),
    "no record": (lambda w: w.damaged(lambda a: a.pop("record")), "answer-malformed"),
    "no proof": (lambda w: w.damaged(lambda a: a.pop("proof")), "answer-malformed"),
    "proof null": (lambda w: w.damaged(lambda a: a.update(proof=None)), "answer-malformed"),
    "proof empty": (lambda w: w.damaged(lambda a: a.update(proof="")), "proof-malformed"),
    "record a text": (lambda w: w.damaged(lambda a: a.update(record="{}")), "answer-malformed"),
    "a fraction around the record": (
        lambda w: w.damaged(lambda a: a.update(valid_until=1.5)),
        "answer-malformed",
    ),
    "a name that is no text": (
        lambda w: w.damaged(lambda a: cast("dict[Any, Any]", a).update({1: 2})),
        "answer-malformed",
    ),
}


@pytest.mark.parametrize("name", EVIDENCE)
def test_damaged_evidence_is_refused_for_its_reason(world: World, name: str) -> None:
    damage, expected = EVIDENCE[name]
    answer = damage(world)
    assert answer != world.answer
    with pytest.raises((RecordError, LedgerError)) as caught:
        verify_decision(answer, TRUST)
    assert caught.value.reason == expected


def test_m24_the_checkpoint_of_another_log_is_refused(world: World, tmp_path: Path) -> None:
    other = "ledger.example/us"
    for origin, key, expected in (
        (other, CheckpointKey.generate(other), "checkpoint-origin"),
        (other, LOG_KEY, "checkpoint-origin"),
        (ORIGIN, CheckpointKey.generate(ORIGIN), "checkpoint-key-unknown"),
    ):
        folder = tmp_path / f"{origin.replace('/', '-')}-{key.key_id}"
        with open_log(folder, origin=origin, signer=key) as log:
            answer = logged(log, envelope_of(world.answer), "d-1")
        with pytest.raises(LedgerError) as caught:
            verify_decision(answer, TRUST)
        assert caught.value.reason == expected


WRONG_PREDICATES: dict[str, dict[str, Any]] = {
    "no id": {"decision": "permit"},
    "id empty": {"id": "", "decision": "permit"},
    "id a number": {"id": 1, "decision": "permit"},
    "no decision": {"id": "x"},
    "decision of another word": {"id": "x", "decision": "allow"},
    "decision a truth value": {"id": "x", "decision": True},
    "decision a list": {"id": "x", "decision": ["permit"]},
}


@pytest.mark.parametrize("name", WRONG_PREDICATES)
def test_a_predicate_that_is_no_decision_is_refused(world: World, name: str) -> None:
    payload = write_statement(Statement("ab" * 32, WRONG_PREDICATES[name]))
    with pytest.raises(RecordError) as caught:
        verify_decision(world.bare(sign_envelope(payload, PAYLOAD_TYPE, KEY), name), TRUST)
    assert caught.value.reason == "statement-malformed"


# M-07, M-08, M-40: a genuine answer to another question.
@pytest.mark.parametrize(
    ("expected", "code"),
    [
        ({"expect_id": "d-2"}, "decision-mismatch"),
        ({"expect_id": ""}, "decision-mismatch"),
        ({"expect_request": {**REQUEST, "action": {"name": "flow"}}}, "request-mismatch"),
        ({"expect_request": {}}, "request-mismatch"),
        ({"expect_bundle": "sha256:" + "00" * 32}, "bundle-mismatch"),
    ],
    ids=str,
)
def test_a_genuine_answer_to_another_question_is_refused(
    world: World, expected: dict[str, Any], code: str
) -> None:
    with pytest.raises(RecordError) as caught:
        verify_decision(world.answer, TRUST, **expected)
    assert caught.value.reason == code


def test_a_request_without_canonical_form_is_refused(world: World) -> None:
    with pytest.raises(AnswerMalformedError):
        verify_decision(world.answer, TRUST, expect_request={"a": 1.5})


# M-38
@pytest.mark.parametrize(
    "data",
    [
        b"[" * 100_000,
        b'{"record":' * 100_000,
        b" " * (5 * 1024 * 1024),
        b"[]",
        b"null",
        b"",
        b'{"record":{},"record":{},"proof":""}',
        b'{"id":NaN}',
    ],
    ids=["deep", "deep objects", "huge", "list", "null", "empty", "duplicate", "NaN"],
)
def test_an_answer_that_is_no_object_of_strict_json_is_refused(data: bytes) -> None:
    with pytest.raises(AnswerMalformedError) as caught:
        verify_decision(read_answer(data), TRUST)
    assert caught.value.reason == "answer-malformed"


def test_an_answer_that_contains_itself_is_refused(world: World) -> None:
    ring: list[Any] = []
    ring.append(ring)
    with pytest.raises(AnswerMalformedError):
        verify_decision(world.damaged(lambda a: a.update(advice=ring)), TRUST)


# --- trust ---------------------------------------------------------------------------

FILE: dict[str, Any] = TRUST.to_json()


def trust_file(change: Callable[[dict[str, Any]], object]) -> bytes:
    value = copy.deepcopy(FILE)
    change(value)
    return json.dumps(value).encode()


def test_a_trust_file_reads_back() -> None:
    assert Trust.from_json(json.dumps(FILE).encode()) == TRUST


WRONG_TRUST: dict[str, bytes] = {
    "empty file": b"",
    "empty object": b"{}",
    "null": b"null",
    "another format": trust_file(lambda t: t.update(format="charter-trust/v3")),
    "unknown member": trust_file(lambda t: t.update(more=1)),
    "no log": trust_file(lambda t: t.pop("log")),
    "log without key": trust_file(lambda t: t["log"].pop("vkey")),
    "log with two keys": trust_file(lambda t: t["log"].update(vkeys=[])),
    "origin empty": trust_file(lambda t: t["log"].update(origin="")),
    "origin a number": trust_file(lambda t: t["log"].update(origin=1)),
    "log key damaged": trust_file(lambda t: t["log"].update(vkey=t["log"]["vkey"][:-1])),
    "log key of small order": trust_file(
        lambda t: t["log"].update(
            vkey="ledger.example/eu+00000000+"
            + base64.b64encode(b"\x01" + (1).to_bytes(32, "little")).decode()
        )
    ),
    "no decision keys": trust_file(lambda t: t.update(decision_keys=[])),
    "decision keys null": trust_file(lambda t: t.update(decision_keys=None)),
    "decision keys an object": trust_file(lambda t: t.update(decision_keys=t["decision_keys"][0])),
    "two keys of one id": trust_file(lambda t: t["decision_keys"].append(t["decision_keys"][0])),
    "two keys under one id": trust_file(
        lambda t: t["decision_keys"][1].update(keyid=t["decision_keys"][0]["keyid"])
    ),
    "id of another key": trust_file(lambda t: t["decision_keys"][0].update(keyid="0" * 64)),
    "id in capitals": trust_file(
        lambda t: t["decision_keys"][0].update(keyid=t["decision_keys"][0]["keyid"].upper())
    ),
    "key without id": trust_file(lambda t: t["decision_keys"][0].pop("keyid")),
    "key damaged": trust_file(lambda t: t["decision_keys"][0].update(pem="key")),
    "a key that is null": trust_file(lambda t: t["decision_keys"].append(None)),
    "duplicate member": json.dumps(FILE).replace("{", '{"format":"x",', 1).encode(),
    "100,000 levels": b"[" * 100_000,
    "huge": b" " * (1024 * 1024),
}


OWN_CODES = {
    "trust-empty": {"empty file", "no decision keys"},
    "trust-key-twice": {"two keys of one id", "two keys under one id"},
    "trust-key-refused": {
        "log key damaged", "log key of small order", "id of another key", "id in capitals",
        "key damaged",
    },
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG_TRUST)
def test_a_trust_file_that_does_not_say_once_whom_to_trust_is_refused(name: str) -> None:
    with pytest.raises(TrustError) as caught:
        Trust.from_json(WRONG_TRUST[name])
    code = next((code for code, names in OWN_CODES.items() if name in names), "trust-malformed")
    assert caught.value.reason == code


# --- arbitrary -----------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(), below, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from(["record", "proof", "id", "decision", "reasons", "obligations"])


@given(st.dictionaries(NAMES, JSON))
def test_an_arbitrary_answer_raises_only_our_errors(answer: dict[str, Any]) -> None:
    with suppress(GatewayError):
        verify_decision(answer, TRUST)


@given(st.data())
def test_an_arbitrary_change_of_a_good_answer_is_refused(world: World, data: st.DataObject) -> None:
    text = canonicalise(world.answer)
    position = data.draw(st.integers(0, len(text) - 1))
    changed = bytearray(text)
    changed[position] ^= data.draw(st.integers(1, 255))
    with pytest.raises(GatewayError):
        verify_decision(read_answer(bytes(changed)), TRUST)


@given(
    st.binary()
    | st.dictionaries(
        st.sampled_from(["format", "log", "decision_keys"]),
        JSON | st.sampled_from(list(FILE.values())),
    ).map(lambda value: json.dumps(value).encode())
)
def test_an_arbitrary_trust_file_raises_only_our_errors(data: bytes) -> None:
    with suppress(GatewayError):
        Trust.from_json(data)
