"""Bodies come back byte for byte, small, and never larger than they may be."""

import base64
import json
import os
import sqlite3
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import LedgerError
from gateway.ledger import storage
from gateway.ledger.bodies import MAX_TEXT, MAX_UNPACKED, Enveloped, Form, Packed, Packer, Unpacker
from gateway.ledger.schema import create_schema
from tests.gateway.ledger.logs import append, check_proof, open_log, tamper

TEXT = b"what the rules in force say again and again, word for word, in every record. " * 40


def unpacker(text: bytes = TEXT) -> tuple[Packer, Unpacker]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    create_schema(connection)
    packer = Packer(text)
    packer.number = storage.keep_text(connection, packer.digest, packer.text)
    return packer, Unpacker(connection)


def envelope(payload: bytes, signature: bytes = bytes(71), signatures: int = 1) -> bytes:
    lines = [{"keyid": "k" * 64, "sig": base64.b64encode(signature).decode()}] * signatures
    body = {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": "application/vnd.in-toto+json",
        "signatures": lines,
    }
    return json.dumps(body, separators=(",", ":")).encode()


WHOLE = envelope(TEXT[:2000])
BODIES = {
    "an envelope": WHOLE,
    "two signatures": envelope(TEXT[:2000], signatures=2),
    "no signature": WHOLE.partition(b'"signatures"')[0] + b'"signatures":[]}',
    "an empty signature": envelope(TEXT, b""),
    "a long signature": envelope(TEXT, os.urandom(300)),
    "base64 with a bit too many": WHOLE.replace(b"==", b"=") + b" ",
    "base64 that is not canonical": envelope(TEXT[:2002])[:-200].replace(b'A","p', b'B","p'),
    "base64 with a line break": WHOLE[:40] + b"\\n" + WHOLE[40:],
    "base64 of another alphabet": WHOLE.replace(b"A", b"-"),
    "an empty payload": envelope(b""),
    "cut off in the payload": WHOLE[:100],
    "cut off in the signature": WHOLE[:-60],
    "no envelope": b'{"of":"' + TEXT + b'"}',
    "one byte": b"x",
    "noise": os.urandom(5000),
    "zeros": bytes(4 * 1024 * 1024),
    "no payload at all": b'{"payload":"',
}


@pytest.mark.parametrize("text", [TEXT, b""], ids=["text", "no text"])
@pytest.mark.parametrize("name", BODIES)
def test_a_body_comes_back_as_it_was(name: str, text: bytes) -> None:
    packer, reader = unpacker(text)
    (packed,) = packer.pack([BODIES[name]])
    assert reader.unpack(packed) == BODIES[name]
    assert len(packed.data) <= len(BODIES[name])


OTHER_PAYLOADS = {
    "one byte shorter": TEXT[:1999],
    "one byte longer": TEXT[:2001],
    "another end": TEXT[:1999] + b"?",
    "nothing": b"",
}


def test_a_payload_that_is_at_hand_need_not_be_found_again() -> None:
    packer, reader = unpacker()
    (packed,) = packer.pack([Enveloped(WHOLE, TEXT[:2000])])
    assert (packed,) == tuple(packer.pack([WHOLE]))
    assert reader.unpack(packed) == WHOLE


@pytest.mark.parametrize("name", OTHER_PAYLOADS)
def test_a_payload_that_is_not_that_of_the_envelope_is_not_used(name: str) -> None:
    packer, reader = unpacker()
    (packed,) = packer.pack([Enveloped(WHOLE, OTHER_PAYLOADS[name])])
    assert reader.unpack(packed) == WHOLE


def test_bodies_that_are_packed_together_come_back_in_order() -> None:
    packer, reader = unpacker()
    bodies = list(BODIES.values())
    assert [reader.unpack(one) for one in packer.pack(bodies)] == bodies


@settings(max_examples=200, deadline=None)
@given(st.binary(min_size=1, max_size=400), st.sampled_from(sorted(BODIES)), st.integers(0, 3000))
def test_whatever_is_put_into_a_body_comes_back(more: bytes, name: str, at: int) -> None:
    if name == "zeros":
        return
    packer, reader = unpacker()
    body = BODIES[name]
    changed = body[:at] + more + body[at:]
    (packed,) = packer.pack([changed])
    assert reader.unpack(packed) == changed


@pytest.mark.parametrize("level", [1, 5, 7, 12])
@pytest.mark.parametrize("size", [100, 70_000, MAX_TEXT])
def test_frames_of_other_levels_and_of_texts_of_any_size_are_read(level: int, size: int) -> None:
    text = os.urandom(size)
    packer, reader = unpacker(text)
    body = b"x" + text[-5000:] + TEXT
    (packed,) = packer.pack([body])
    dictionary = zstandard.ZstdCompressionDict(text, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
    before = zstandard.ZstdCompressor(level=level, dict_data=dictionary, write_dict_id=False)
    assert reader.unpack(Packed(Form.FRAME, packer.number, before.compress(body))) == body
    assert reader.unpack(packed) == body
    assert len(packed.data) < 200


def test_what_the_text_says_is_not_kept_again() -> None:
    packer, _ = unpacker()
    (with_text,) = packer.pack([envelope(TEXT)])
    (without,) = unpacker(b"")[0].pack([envelope(os.urandom(10) + TEXT)])
    assert with_text.form == Form.ENVELOPE
    assert len(with_text.data) < 200 < len(without.data) - 20


def bomb(size: int) -> bytes:
    return zstandard.ZstdCompressor(level=19).compress(bytes(size))


BAD = {
    "unknown size": zstandard.ZstdCompressor(write_content_size=False).compress(bytes(100)),
    "a bomb": bomb(MAX_UNPACKED + 1),
    "no frame": b"{}" * 20,
    "nothing": b"",
    "cut off": bomb(1000)[:-3],
    "something behind": bomb(1000) + b"x",
    "two frames": bomb(1000) + bomb(1000),
}


@pytest.mark.parametrize("name", BAD)
def test_a_frame_that_was_not_written_here_is_refused(name: str) -> None:
    _, reader = unpacker()
    with pytest.raises(LedgerError):
        reader.unpack(Packed(Form.FRAME, 0, BAD[name]))
    with pytest.raises(LedgerError):
        reader.unpack(Packed(Form.ENVELOPE, 0, BAD[name]))


def test_a_body_whose_text_is_not_there_is_refused() -> None:
    packer, reader = unpacker()
    (packed,) = packer.pack([WHOLE])
    with pytest.raises(LedgerError, match="text 9"):
        reader.unpack(Packed(packed.form, 9, packed.data))


@pytest.mark.parametrize("form", [0, 1, 5, 6, -1])
def test_a_form_that_nobody_knows_is_refused(form: int) -> None:
    with pytest.raises(LedgerError, match="of form"):
        unpacker()[1].unpack(Packed(form, 0, b"{}"))


# --- in a ledger ---------------------------------------------------------------------


def texts(folder: Path) -> list[bytes]:
    connection = sqlite3.connect(folder / storage.DATABASE)
    found = [row[0] for row in connection.execute("SELECT data FROM text ORDER BY number")]
    connection.close()
    return found


def test_bodies_of_all_texts_are_read_after_the_text_changed(tmp_path: Path) -> None:
    bodies = {f"e-{n}": envelope(b"%d " % n + TEXT) for n in range(6)}
    with open_log(tmp_path) as log:
        for number, (entry_id, body) in enumerate(bodies.items()):
            if number in (1, 3, 4):
                log.repeats((TEXT, TEXT[::-1], TEXT)[(1, 3, 4).index(number)])
            log.append(entry_id, "clinic-a", body).result()
    assert texts(tmp_path) == [TEXT, TEXT[::-1]]
    with open_log(tmp_path) as log:
        for entry_id, body in bodies.items():
            stored = log.get(entry_id)
            assert stored is not None
            assert stored.body == body


def test_a_text_that_is_kept_is_not_looked_for_again(tmp_path: Path) -> None:
    statements: list[str] = []

    def traced(path: Path) -> sqlite3.Connection:
        connection = storage.open_connection(path)
        connection.set_trace_callback(statements.append)
        return connection

    with open_log(tmp_path, connect=traced) as log:
        log.repeats(TEXT)
        append(log, "first")
        statements.clear()
        log.repeats(TEXT)
        append(log, "second", "third")
    assert not [one for one in statements if " text " in one]


def test_a_text_that_is_too_long_counts_from_its_end(tmp_path: Path) -> None:
    with open_log(tmp_path) as log:
        log.repeats(b"x" * 100 + TEXT.ljust(MAX_TEXT, b"y"))
        append(log, "d-1")
        assert check_proof(log, "d-1") == 0
    assert texts(tmp_path) == [TEXT.ljust(MAX_TEXT, b"y")]


def test_a_text_that_changed_on_disk_is_never_used(tmp_path: Path) -> None:
    with open_log(tmp_path) as log:
        log.repeats(TEXT)
        for number in range(300):
            log.append(f"e-{number}", "clinic-a", envelope(b"%d " % number + TEXT)).result()
    tamper(tmp_path, "UPDATE text SET data = ?", TEXT[:-1] + b"!")
    with pytest.raises(LedgerError, match=r"is damaged.*text 1"):
        open_log(tmp_path)


def test_a_text_whose_commit_failed_is_kept_with_the_next(tmp_path: Path) -> None:
    made: list[sqlite3.Connection] = []

    def connect(path: Path) -> sqlite3.Connection:
        made.append(storage.open_connection(path))
        return made[-1]

    body = envelope(TEXT)
    with open_log(tmp_path, connect=connect) as log:
        append(log, "first")
        (pages,) = made[0].execute("PRAGMA page_count").fetchone()
        made[0].execute(f"PRAGMA max_page_count={pages + 1}")
        log.repeats(os.urandom(50_000) + TEXT)
        with pytest.raises(LedgerError, match="full"):
            log.append("e", "clinic-a", body).result()
        made[0].execute("PRAGMA max_page_count=1000000")
        log.append("e", "clinic-a", body).result()
        stored = log.get("e")
        assert stored is not None
        assert stored.body == body
    assert len(texts(tmp_path)) == 1
