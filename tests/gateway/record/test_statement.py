"""The signed payload: one shape, one spelling."""

import hashlib
import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import (
    CanonicalFormError,
    GatewayError,
    PayloadLookalikeKeyError,
    PayloadNotCanonicalError,
    StatementMalformedError,
)
from gateway.record.canonical import canonicalise
from gateway.record.statement import Statement, digest_request, read_statement, write_statement

DIGEST = "ab" * 32
STATEMENT = Statement(DIGEST, {"id": "d-1", "decision": "deny", "reasons": []})
PAYLOAD = write_statement(STATEMENT)


def test_a_statement_is_exactly_this() -> None:
    assert json.loads(PAYLOAD) == {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "request", "digest": {"sha256": DIGEST}}],
        "predicateType": "https://charter.example/attestation/decision/v1",
        "predicate": {"id": "d-1", "decision": "deny", "reasons": []},
    }
    assert canonicalise(json.loads(PAYLOAD)) == PAYLOAD


def test_writing_then_reading_is_identity() -> None:
    assert read_statement(PAYLOAD) == STATEMENT


def test_a_request_has_one_digest_whatever_its_spelling() -> None:
    digest = digest_request({"b": 1, "a": [True, None]})
    assert digest == digest_request({"a": [True, None], "b": 1})
    assert digest == hashlib.sha256(b'{"a":[true,null],"b":1}').hexdigest()


@pytest.mark.parametrize("digest", ["", "ab" * 31, "AB" * 32, "sha256:" + "ab" * 32, "g" * 64])
def test_a_digest_that_is_none_is_not_written(digest: str) -> None:
    with pytest.raises(StatementMalformedError):
        write_statement(Statement(digest, {}))


def test_a_predicate_without_canonical_form_is_not_written() -> None:
    with pytest.raises(CanonicalFormError):
        write_statement(Statement(DIGEST, {"share": 0.5}))


def test_a_predicate_of_megabytes_is_not_written() -> None:
    with pytest.raises(StatementMalformedError, match="longer"):
        write_statement(Statement(DIGEST, {"a": "x" * 2**20}))


def spelled(change: Callable[[str], str]) -> bytes:
    return change(PAYLOAD.decode()).encode()


NOT_CANONICAL: dict[str, bytes] = {
    "spaces": spelled(lambda text: text.replace(":", ": ")),
    "key order": json.dumps(json.loads(PAYLOAD), sort_keys=False, separators=(",", ":"))
    .replace('{"_type"', '{"x":1,"_type"', 1)
    .encode(),
    "final newline": PAYLOAD + b"\n",
    "1.0": spelled(lambda text: text.replace('"d-1"', "1.0")),
    "escaped letter": spelled(lambda text: text.replace('"id"', '"\\u0069d"')),
    "duplicate key, last wins": spelled(
        lambda text: text.replace('"decision":"deny"', '"decision":"deny","decision":"permit"')
    ),
    "duplicate key, first wins": spelled(
        lambda text: text.replace('"decision":"deny"', '"decision":"permit","decision":"deny"')
    ),
    "NaN": spelled(lambda text: text.replace('"d-1"', "NaN")),
    "2^53": spelled(lambda text: text.replace('"d-1"', "9007199254740992")),
    "lone surrogate": spelled(lambda text: text.replace("d-1", "\\ud800")),
    "byte order mark": b"\xef\xbb\xbf" + PAYLOAD,
    "100,000 levels": b"[" * 100_000,
    "empty": b"",
    "no JSON": b"\x80",
}


@pytest.mark.parametrize("name", NOT_CANONICAL)
def test_a_payload_spelled_otherwise_is_refused_as_such(name: str) -> None:
    with pytest.raises(PayloadNotCanonicalError) as caught:
        read_statement(NOT_CANONICAL[name])
    code = "payload-duplicate-key" if "duplicate" in name else "payload-not-canonical"
    assert caught.value.reason == code


LOOKALIKES = {
    "zero width space": "decision\u200b",
    "soft hyphen": "deci\u00adsion",
    "variation selector": "decision\ufe0f",
    "ligature": "\ufb01eld",
    "full width letter": "\uff44ecision",
    "letter and accent apart": "de\u0301cision",
    "no-break space": "decision\u00a0",
    "direction mark": "\u202edecision",
    "Hangul filler": "decision\u3164",
}


@pytest.mark.parametrize("name", LOOKALIKES)
@pytest.mark.parametrize("deep", [False, True])
def test_a_name_that_only_looks_like_another_is_refused_as_such(name: str, deep: bool) -> None:
    odd = {LOOKALIKES[name]: "permit"}
    predicate: dict[str, Any] = {"decision": "deny", **({"facts": [odd]} if deep else odd)}
    with pytest.raises(PayloadLookalikeKeyError) as caught:
        read_statement(write_statement(Statement(DIGEST, predicate)))
    assert caught.value.reason == "payload-lookalike-key"
    assert str(caught.value).isascii()


def test_plain_names_of_other_alphabets_are_read() -> None:
    predicate: dict[str, Any] = {
        "entscheidung_\u00e4": 1,
        "\u0440\u0435\u0448\u0435\u043d\u0438\u0435": 2,
    }
    assert read_statement(write_statement(Statement(DIGEST, predicate))).predicate == predicate


def changed(**members: Any) -> bytes:
    value = {**json.loads(PAYLOAD), **members}
    return canonicalise({name: member for name, member in value.items() if member is not ...})


SUBJECT = {"name": "request", "digest": {"sha256": DIGEST}}

MALFORMED: dict[str, bytes] = {
    "no object": b"[]",
    "statement of version 0.1": changed(_type="https://in-toto.io/Statement/v0.1"),
    "no type": changed(_type=...),
    "another predicate": changed(predicateType="https://slsa.dev/provenance/v1"),
    "another version of the predicate": changed(
        predicateType="https://charter.example/attestation/decision/v2"
    ),
    "predicate type null": changed(predicateType=None),
    "no predicate": changed(predicate=...),
    "predicate a list": changed(predicate=[]),
    "predicate null": changed(predicate=None),
    "unknown member": changed(extra=1),
    "no subject": changed(subject=[]),
    "subject no list": changed(subject=SUBJECT),
    "two subjects": changed(subject=[SUBJECT, SUBJECT]),
    "another subject": changed(subject=[{**SUBJECT, "name": "response"}]),
    "subject without name": changed(subject=[{"digest": {"sha256": DIGEST}}]),
    "subject with a uri": changed(subject=[{**SUBJECT, "uri": "x"}]),
    "digest of another algorithm": changed(
        subject=[{"name": "request", "digest": {"sha512": DIGEST * 2}}]
    ),
    "two digests": changed(
        subject=[{"name": "request", "digest": {"sha256": DIGEST, "sha1": "00"}}]
    ),
    "digest in capitals": changed(
        subject=[{"name": "request", "digest": {"sha256": DIGEST.upper()}}]
    ),
    "digest cut": changed(subject=[{"name": "request", "digest": {"sha256": DIGEST[:-2]}}]),
    "digest a number": changed(subject=[{"name": "request", "digest": {"sha256": 1}}]),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_payload_of_another_shape_is_refused_as_such(name: str) -> None:
    with pytest.raises(StatementMalformedError) as caught:
        read_statement(MALFORMED[name])
    assert caught.value.reason == "statement-malformed"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(), below, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from(["_type", "predicate", "predicateType", "subject"])


@given(st.binary() | st.dictionaries(NAMES, JSON).map(canonicalise))
def test_arbitrary_bytes_raise_only_our_errors(data: bytes) -> None:
    with suppress(GatewayError):
        read_statement(data)
