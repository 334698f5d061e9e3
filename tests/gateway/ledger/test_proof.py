"""The proof file of one entry: whole, damaged in each part, and arbitrary."""

import base64
import hashlib
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import (
    CheckpointMalformedError,
    CheckpointOriginError,
    CheckpointSignatureError,
    EntryMismatchError,
    GatewayError,
    InclusionProofError,
    LedgerError,
    ProofMalformedError,
)
from gateway.keys import CheckpointKey
from gateway.ledger import merkle
from gateway.ledger.checkpoint import Checkpoint, sign_checkpoint
from gateway.ledger.entry import commit, entry_bytes, entry_leaf
from gateway.ledger.proof import parse_proof, verify_place, verify_proof, write_proof

ORIGIN = "ledger.example/eu"
KEY = CheckpointKey.generate(ORIGIN)
BODIES = [b"body %d" % i for i in range(11)]
SALTS = [hashlib.sha256(b"salt %d" % i).digest() for i in range(11)]
COMMITMENTS = [commit(salt, body) for salt, body in zip(SALTS, BODIES, strict=True)]
LEAVES = [entry_leaf(one) for one in COMMITMENTS]


def nodes(level: int, index: int) -> bytes:
    if level == 0:
        return LEAVES[index]
    return merkle.node_hash(nodes(level - 1, 2 * index), nodes(level - 1, 2 * index + 1))


def checkpoint(size: int, key: CheckpointKey = KEY, origin: str = ORIGIN) -> str:
    return sign_checkpoint(Checkpoint(origin, size, merkle.tree_root(size, nodes)), key)


def proof(of: int, size: int = 11, **other: object) -> str:
    parts: dict[str, object] = {
        "salt": SALTS[of],
        "commitment": COMMITMENTS[of],
        "index": of,
        "path": merkle.inclusion_path(of, size, nodes),
        "checkpoint": checkpoint(size),
        **other,
    }
    return write_proof(**parts)  # pyright: ignore[reportArgumentType]


INDEX = 5
BODY = BODIES[INDEX]
GOOD = proof(INDEX)
LINES = GOOD.split("\n")
PATH = merkle.inclusion_path(INDEX, 11, nodes)


def test_an_entry_is_exactly_these_two_lines() -> None:
    salt = bytes(range(32))
    digest = hashlib.sha256(salt + b"body").hexdigest()
    entry = entry_bytes(commit(salt, b"body"))
    assert entry == f"charter-entry/v1\nsha256:{digest}\n".encode()
    assert entry_leaf(commit(salt, b"body")) == hashlib.sha256(b"\x00" + entry).digest()


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_salt_of_another_length_is_refused(size: int) -> None:
    # Otherwise bytes could move from the salt into the body.
    with pytest.raises(ValueError, match="salt"):
        commit(bytes(size), b"body")


def test_a_proof_file_has_the_lines_of_the_specification() -> None:
    header, extra, index, *rest = LINES
    assert header == "c2sp.org/tlog-proof@v1"
    assert base64.b64decode(extra.removeprefix("extra ")) == SALTS[INDEX] + COMMITMENTS[INDEX]
    assert index == "index 5"
    assert [base64.b64decode(line) for line in rest[: rest.index("")]] == PATH
    assert "\n".join(rest[rest.index("") + 1 :]) == checkpoint(11)


@pytest.mark.parametrize("size", range(1, 12))
def test_every_entry_of_every_tree_is_proven(size: int) -> None:
    for index in range(size):
        text = proof(index, size, checkpoint=checkpoint(size))
        verified = verify_proof(BODIES[index], text, KEY.public, origin=ORIGIN)
        assert (verified.index, verified.checkpoint.size) == (index, size)


def test_the_place_of_an_erased_body_is_still_proven() -> None:
    assert verify_place(parse_proof(GOOD), KEY.public, origin=ORIGIN).index == INDEX


# --- damage --------------------------------------------------------------------------


def line(number: int, text: str | None) -> str:
    """The proof with one line replaced, or left out."""
    lines = list(LINES)
    lines[number : number + 1] = [] if text is None else [text]
    return "\n".join(lines)


def hash_line(data: bytes) -> str:
    return base64.b64encode(data).decode()


MALFORMED: dict[str, str] = {
    "empty": "",
    "header of another version": line(0, "c2sp.org/tlog-proof@v2"),
    "no header": line(0, None),
    "space after the header": line(0, LINES[0] + " "),
    "CRLF": GOOD.replace("\n", "\r\n"),
    "no extra line": line(1, None),
    "extra without salt": line(1, "extra " + hash_line(COMMITMENTS[INDEX])),
    "extra too long": line(1, "extra " + hash_line(bytes(65))),
    "extra without padding": line(1, LINES[1].rstrip("=")),
    "extra url-safe": line(1, "extra " + "_" * 88),
    "two extra lines": line(1, LINES[1] + "\n" + LINES[1]),
    "no index line": line(2, None),
    "index with a leading zero": line(2, "index 05"),
    "index with a sign": line(2, "index +5"),
    "index negative": line(2, "index -5"),
    "index in other digits": line(2, "index \u0665"),
    "index hexadecimal": line(2, "index 0x5"),
    "index of 2^63": line(2, f"index {2**63}"),
    "index empty": line(2, "index "),
    "index without name": line(2, "5"),
    "two spaces before the index": line(2, "index  5"),
    "hash of 31 bytes": line(3, hash_line(PATH[0][:31])),
    "hash without padding": line(3, LINES[3].rstrip("=")),
    "hash with white space": line(3, LINES[3] + " "),
    "hash with stray bits": line(3, "A" * 42 + "B="),
    "64 hashes": line(3, "\n".join([LINES[3]] * 64)),
    "no empty line": GOOD.replace("\n\n", "\n"),
    "no checkpoint": GOOD.partition("\n\n")[0] + "\n\n",
    "header alone": "c2sp.org/tlog-proof@v1\n\nx\n",
    "checkpoint first": checkpoint(11) + GOOD,
    "a megabyte": GOOD + "\n" * 2**20,
    "lone surrogate": GOOD + "\ud800",
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_proof_is_refused_as_such(name: str) -> None:
    with pytest.raises(ProofMalformedError) as caught:
        verify_proof(BODY, MALFORMED[name], KEY.public, origin=ORIGIN)
    assert caught.value.reason == "proof-malformed"


FLIPPED = bytes([PATH[0][0] ^ 1]) + PATH[0][1:]
US = "ledger.example/us"
US_KEY = CheckpointKey.generate(US)

WRONG: dict[str, tuple[str, type[LedgerError], str]] = {
    "path shortened": (proof(INDEX, path=PATH[:-1]), InclusionProofError, "inclusion-path"),
    "path lengthened": (
        proof(INDEX, path=[*PATH, PATH[0]]),
        InclusionProofError,
        "inclusion-path",
    ),
    "path reordered": (proof(INDEX, path=PATH[::-1]), InclusionProofError, "inclusion-root"),
    "path empty in a larger tree": (
        proof(INDEX, path=[]),
        InclusionProofError,
        "inclusion-path-empty",
    ),
    "one bit of a hash flipped": (
        proof(INDEX, path=[FLIPPED, *PATH[1:]]),
        InclusionProofError,
        "inclusion-root",
    ),
    "wrong index": (proof(INDEX, index=4), InclusionProofError, "inclusion-root"),
    "index beyond the tree": (proof(INDEX, index=11), InclusionProofError, "inclusion-proof"),
    "checkpoint of another size": (
        proof(INDEX, checkpoint=checkpoint(10)),
        InclusionProofError,
        "inclusion-root",
    ),
    "checkpoint of size 0": (
        proof(INDEX, checkpoint=checkpoint(0)),
        InclusionProofError,
        "inclusion-proof",
    ),
    "proof of another entry": (proof(4), EntryMismatchError, "entry-mismatch"),
    "salt of another entry": (proof(INDEX, salt=SALTS[4]), EntryMismatchError, "entry-mismatch"),
    "path of another entry": (
        proof(INDEX, index=4, path=merkle.inclusion_path(4, 11, nodes)),
        InclusionProofError,
        "inclusion-root",
    ),
    "checkpoint of another log": (
        proof(INDEX, checkpoint=checkpoint(11, US_KEY, US)),
        CheckpointOriginError,
        "checkpoint-origin",
    ),
    "same origin, other key": (
        proof(INDEX, checkpoint=checkpoint(11, CheckpointKey.generate(ORIGIN))),
        CheckpointSignatureError,
        "checkpoint-key-unknown",
    ),
    "checkpoint not signed": (
        GOOD.rpartition("\n\n")[0] + "\n\n\u2014 other.example AAAAAAAA\n",
        CheckpointSignatureError,
        "checkpoint-key-unknown",
    ),
    "no final newline": (GOOD[:-1], CheckpointMalformedError, "checkpoint-malformed"),
    "text after the checkpoint": (GOOD + "x\n", CheckpointMalformedError, "checkpoint-malformed"),
    "leading zero in the size": (
        GOOD.replace("\n11\n", "\n011\n"),
        CheckpointMalformedError,
        "checkpoint-malformed",
    ),
    "two empty lines": (
        GOOD.replace("\n\n", "\n\n\n", 1),
        CheckpointMalformedError,
        "checkpoint-malformed",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_proof_that_does_not_hold_is_refused_for_its_reason(name: str) -> None:
    text, error, reason = WRONG[name]
    with pytest.raises(error) as caught:
        verify_proof(BODY, text, KEY.public, origin=ORIGIN)
    assert caught.value.reason == reason


def test_a_body_changed_by_one_bit_is_another_entry() -> None:
    with pytest.raises(EntryMismatchError):
        verify_proof(bytes([BODY[0] ^ 1]) + BODY[1:], GOOD, KEY.public, origin=ORIGIN)


@given(st.integers(0), st.integers(1, 127))
def test_any_changed_letter_of_a_proof_is_seen(position: int, mask: int) -> None:
    position %= len(GOOD)
    letter = chr(ord(GOOD[position]) ^ mask)
    damaged = GOOD[:position] + letter + GOOD[position + 1 :]
    with pytest.raises(LedgerError):
        verify_proof(BODY, damaged, KEY.public, origin=ORIGIN)


PIECES = st.sampled_from([*LINES, "\n", "\n\n", "extra ", "index ", "0", " ", checkpoint(11)])


@given(st.text() | st.lists(PIECES | st.text(max_size=3)).map("".join))
def test_arbitrary_text_raises_only_our_errors(text: str) -> None:
    with suppress(GatewayError):
        verify_proof(BODY, text, KEY.public, origin=ORIGIN)
    with suppress(GatewayError):
        parse_proof("\n".join([*LINES[:3], text]))
