"""A payload that is read the short way means what the strict reader says it means."""

import json

import pytest

from gateway.errors import GatewayError
from gateway.keeping.payload import read_plain
from gateway.record.statement import Statement, read_statement, write_statement

GOOD = write_statement(Statement("0" * 64, {"id": "x", "n": [1, {"a": None}]}))
WIDE = write_statement(Statement("0" * 64, {"id": "Zürich\u2028\n"}))

WRONG: dict[str, bytes] = {
    "white space": GOOD.replace(b":", b": ", 1),
    "another order": b'{"predicate":{},' + GOOD[1:].replace(b'"predicate"', b'"predicat"', 1),
    "a name twice": GOOD.replace(b'"id":"x"', b'"id":"w","id":"x"'),
    "a fraction": GOOD.replace(b"[1,", b"[1.5,"),
    "a constant": GOOD.replace(b"[1,", b"[NaN,"),
    "an exponent": GOOD.replace(b"[1,", b"[1e2,"),
    "a large integer": GOOD.replace(b"[1,", b"[%d," % 2**60),
    "another type": GOOD.replace(b"Statement/v1", b"Statement/v2"),
    "another predicate": GOOD.replace(b"decision/v1", b"decision/v9"),
    "a member more": GOOD[:-1] + b',"z":1}',
    "a digest that is none": GOOD.replace(b"0" * 64, b"x" * 64),
    "a digest too short": GOOD.replace(b"0" * 64, b"0" * 63),
    "two subjects": GOOD.replace(b'"name":"request"}]', b'"name":"request"},{}]'),
    "more of a subject": GOOD.replace(b'"name":"request"', b'"name":"request","z":1'),
    "more of a digest": GOOD.replace(b'0"},', b'0","z":"1"},'),
    "no predicate": GOOD.replace(b'{"id":"x","n":[1,{"a":null}]}', b"[]"),
    "deep": GOOD.replace(b"[1,", b"[" * 50 + b"1" + b"]" * 49 + b","),
    "no JSON": b"{",
    "nothing": b"",
    "an escape of a control character": GOOD.replace(b'"x"', b'"\\u0001"'),
}


@pytest.mark.parametrize("payload", [GOOD, WIDE])
def test_what_is_good_is_read_alike(payload: bytes) -> None:
    assert read_plain(payload) == read_statement(payload)
    assert read_plain(payload).predicate == json.loads(payload)["predicate"]


@pytest.mark.parametrize("what", WRONG)
def test_what_the_strict_reader_refuses_is_refused(what: str) -> None:
    payload = WRONG[what]
    assert payload != GOOD
    with pytest.raises(GatewayError) as strict:
        read_statement(payload)
    with pytest.raises(GatewayError) as short:
        read_plain(payload)
    assert (type(short.value), str(short.value)) == (type(strict.value), str(strict.value))
