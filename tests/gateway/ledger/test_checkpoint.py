"""Signed notes and checkpoints of C2SP: published ones hold, damaged ones do not."""

import base64
import hashlib
import json
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import (
    CheckpointForkError,
    CheckpointMalformedError,
    CheckpointOriginError,
    CheckpointRollbackError,
    CheckpointSignatureError,
    ConsistencyProofError,
    GatewayError,
    KeyMalformedError,
    LedgerError,
)
from gateway.keys import CheckpointKey, CheckpointPublicKey
from gateway.ledger import merkle
from gateway.ledger.checkpoint import (
    Checkpoint,
    check_extends,
    parse_checkpoint,
    parse_decimal,
    sign_checkpoint,
    verify_checkpoint,
)
from gateway.ledger.note import MAX_SIGNATURES, parse_note, sign_note, verify_note

ORIGIN = "ledger.example/eu"
KEY = CheckpointKey.generate(ORIGIN)
OTHER_KEY = CheckpointKey.generate(ORIGIN)
WITNESS = CheckpointKey.generate("witness.example")
ROOT = hashlib.sha256(b"a root").digest()
CHECKPOINT = Checkpoint(ORIGIN, 20852163, ROOT)
SIGNED = sign_checkpoint(CHECKPOINT, KEY)


# --- published -----------------------------------------------------------------------


def test_the_note_of_the_specification_verifies(vectors: Path) -> None:
    folder = vectors / "c2sp-tlog"
    key = CheckpointPublicKey.from_vkey((folder / "signed-note-example.vkey").read_text().strip())
    note = parse_note((folder / "signed-note-example.txt").read_bytes())
    assert verify_note(note, [key]) == (key,)
    assert note.text == "This is an example message.\n"


def test_a_public_log_with_witness_lines_verifies_and_holds_its_entry(vectors: Path) -> None:
    folder = vectors / "c2sp-tlog" / "rekor2-cosigned"
    vkey = (folder / "vkeys.txt").read_text().splitlines()[0]
    key = CheckpointPublicKey.from_vkey(vkey)
    text = (folder / "checkpoint.txt").read_bytes()
    checkpoint = verify_checkpoint(text, key, origin=key.name)
    inclusion = json.loads((folder / "inclusion.json").read_text())
    assert checkpoint.size == 4026479
    merkle.verify_inclusion(
        index=inclusion["index"],
        tree_size=checkpoint.size,
        leaf=merkle.leaf_hash(base64.b64decode(inclusion["leaf_data_b64"])),
        path=[base64.b64decode(node) for node in inclusion["proof_b64"]],
        root=checkpoint.root,
    )


def test_the_keys_of_witnesses_are_refused_as_log_keys(vectors: Path) -> None:
    vkeys = (vectors / "c2sp-tlog" / "rekor2-cosigned" / "vkeys.txt").read_text().splitlines()
    for vkey in vkeys[1:]:
        with pytest.raises(KeyMalformedError, match="signature type"):
            CheckpointPublicKey.from_vkey(vkey)


def tessera(folder: Path, size: int) -> tuple[Checkpoint, list[bytes]]:
    """A published checkpoint, verified, and the leaf hashes of the tile for its size."""
    key = CheckpointPublicKey.from_vkey((folder / "log.vkey").read_text().strip())
    data = (folder / f"checkpoint.{size}").read_bytes()
    checkpoint = verify_checkpoint(data, key, origin=key.name)
    tile = (folder / "tile" / "0" / "000.p" / str(size)).read_bytes() if size else b""
    return checkpoint, [tile[i : i + 32] for i in range(0, len(tile), 32)]


def nodes_above(leaves: list[bytes]) -> merkle.Nodes:
    def nodes(level: int, index: int) -> bytes:
        if level == 0:
            return leaves[index]
        left, right = nodes(level - 1, 2 * index), nodes(level - 1, 2 * index + 1)
        return merkle.node_hash(left, right)

    return nodes


@pytest.mark.parametrize("size", [0, 1, 2, 7, 8, 14])
def test_a_public_log_in_tiles_has_the_root_it_signed(vectors: Path, size: int) -> None:
    checkpoint, leaves = tessera(vectors / "c2sp-tlog" / "tessera-log", size)
    assert checkpoint.size == size == len(leaves)
    assert merkle.tree_root(size, nodes_above(leaves)) == checkpoint.root


def test_every_checkpoint_of_a_public_log_extends_the_one_before(vectors: Path) -> None:
    folder = vectors / "c2sp-tlog" / "tessera-log"
    sizes = [0, 1, 2, 7, 8, 14]
    for old_size, new_size in pairwise(sizes):
        old, _ = tessera(folder, old_size)
        new, leaves = tessera(folder, new_size)
        path = merkle.consistency_path(old_size, new_size, nodes_above(leaves)) if old_size else []
        check_extends(old, new, path)


def test_a_tile_of_another_size_or_with_one_bit_wrong_has_not_the_signed_root(
    vectors: Path,
) -> None:
    folder = vectors / "c2sp-tlog" / "tessera-log"
    seven, _ = tessera(folder, 7)
    eight, leaves = tessera(folder, 8)
    assert merkle.tree_root(8, nodes_above(leaves)) != seven.root
    leaves[3] = bytes([leaves[3][0] ^ 1]) + leaves[3][1:]
    assert merkle.tree_root(8, nodes_above(leaves)) != eight.root


# --- our own, whole ------------------------------------------------------------------


def test_a_checkpoint_we_signed_reads_back() -> None:
    assert verify_checkpoint(SIGNED.encode(), KEY.public, origin=ORIGIN) == CHECKPOINT


def test_lines_of_unknown_keys_are_ignored() -> None:
    for signer in (WITNESS, OTHER_KEY):
        extra = sign_checkpoint(CHECKPOINT, signer).rpartition("\n\n")[2]
        assert verify_checkpoint((SIGNED + extra).encode(), KEY.public, origin=ORIGIN) == CHECKPOINT


def test_extension_lines_are_kept_and_signed() -> None:
    extended = replace(CHECKPOINT, extensions=("one", "two"))
    signed = sign_checkpoint(extended, KEY)
    assert verify_checkpoint(signed.encode(), KEY.public, origin=ORIGIN) == extended
    dropped = signed.replace("two\n", "", 1)
    with pytest.raises(CheckpointSignatureError):
        verify_checkpoint(dropped.encode(), KEY.public, origin=ORIGIN)


def test_a_note_with_empty_lines_in_its_text_verifies() -> None:
    note = parse_note(sign_note("one\n\n\ntwo\n", KEY).encode())
    assert note.text == "one\n\n\ntwo\n"
    assert verify_note(note, [KEY.public]) == (KEY.public,)


def test_one_key_that_signed_twice_counts_once() -> None:
    line = SIGNED.rpartition("\n\n")[2]
    assert verify_note(parse_note((SIGNED + line).encode()), [KEY.public]) == (KEY.public,)


# --- damaged -------------------------------------------------------------------------

_LINE = SIGNED.rpartition("\n\n")[2]
_BASE64 = _LINE.split(" ")[2].strip()
_ROOT_TEXT = base64.b64encode(ROOT).decode()


def resigned(text: str) -> str:
    """A text that the log itself would have had to sign: only its form is wrong."""
    return sign_note(text, KEY)


def flip(text: str) -> str:
    data = bytearray(base64.b64decode(text))
    data[20] ^= 1
    return base64.b64encode(data).decode()


MALFORMED: dict[str, str] = {
    "no final newline": SIGNED[:-1],
    "CRLF line ends": SIGNED.replace("\n", "\r\n"),
    "no signature lines": CHECKPOINT.text() + "\n",
    "no empty line": SIGNED.replace("\n\n", "\n"),
    "text after the signatures": SIGNED + "more\n",
    "hyphen for the em dash": SIGNED.replace("\u2014", "-"),
    "key name with a plus": SIGNED.replace(f"\u2014 {ORIGIN}", "\u2014 a+b"),
    "key name empty": SIGNED.replace(f"\u2014 {ORIGIN}", "\u2014 "),
    "key name with a wide space": SIGNED.replace(f"\u2014 {ORIGIN}", "\u2014 a\u3000b"),
    "signature without padding": SIGNED.replace(_BASE64, _BASE64.rstrip("=")),
    "signature with white space": SIGNED.replace(_BASE64, _BASE64[:8] + " " + _BASE64[8:]),
    "signature url-safe": SIGNED.replace(_BASE64, "____" + _BASE64[4:]),
    "signature with stray bits": SIGNED.replace(_BASE64, "AAAAAAAAAB=="),
    "signature of the key id alone": SIGNED.replace(_BASE64, "AAAAAA=="),
    "a control character": SIGNED.replace(ORIGIN, "ledger\x07example", 1),
    "a tab": SIGNED.replace(ORIGIN, "ledger\texample", 1),
    "too many signatures": SIGNED + _LINE * MAX_SIGNATURES,
    "empty": "",
    "only newlines": "\n\n\n",
    "no origin": resigned(f"\n5\n{_ROOT_TEXT}\n"),
    "no root": resigned(f"{ORIGIN}\n5\n"),
    "no size": resigned(f"{ORIGIN}\n{_ROOT_TEXT}\n"),
    "leading zero in size": resigned(f"{ORIGIN}\n05\n{_ROOT_TEXT}\n"),
    "size with a sign": resigned(f"{ORIGIN}\n+5\n{_ROOT_TEXT}\n"),
    "size negative": resigned(f"{ORIGIN}\n-5\n{_ROOT_TEXT}\n"),
    "size in other digits": resigned(f"{ORIGIN}\n\u0665\n{_ROOT_TEXT}\n"),
    "size of 2^63": resigned(f"{ORIGIN}\n{2**63}\n{_ROOT_TEXT}\n"),
    "size with a space": resigned(f"{ORIGIN}\n5 \n{_ROOT_TEXT}\n"),
    "root of 31 bytes": resigned(f"{ORIGIN}\n5\n{base64.b64encode(ROOT[:31]).decode()}\n"),
    "root without padding": resigned(f"{ORIGIN}\n5\n{_ROOT_TEXT.rstrip('=')}\n"),
    "root with white space": resigned(f"{ORIGIN}\n5\n {_ROOT_TEXT}\n"),
    "root with stray bits": resigned(f"{ORIGIN}\n5\n{'A' * 42}B=\n"),
    "an empty line inside": resigned(f"{ORIGIN}\n5\n{_ROOT_TEXT}\n\nmore\n"),
    "size 0 with entries below": resigned(f"{ORIGIN}\n0\n{_ROOT_TEXT}\n"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_checkpoint_is_refused_as_such(name: str) -> None:
    with pytest.raises(CheckpointMalformedError) as caught:
        verify_checkpoint(MALFORMED[name].encode(), KEY.public, origin=ORIGIN)
    assert caught.value.reason == "checkpoint-malformed"


def test_bytes_that_are_not_utf8_are_refused() -> None:
    with pytest.raises(CheckpointMalformedError):
        parse_note(SIGNED.encode().replace(b"ledger", b"l\xffdger"))


UNSIGNED: dict[str, str] = {
    "one bit of the signature flipped": SIGNED.replace(_BASE64, flip(_BASE64)),
    "signed by another key of the same name": sign_checkpoint(CHECKPOINT, OTHER_KEY),
    "signed by a witness alone": sign_checkpoint(CHECKPOINT, WITNESS),
    "another size than was signed": SIGNED.replace("20852163", "20852164"),
    "another root than was signed": SIGNED.replace(_ROOT_TEXT, flip(_ROOT_TEXT)),
    "an extension line added": SIGNED.replace("\n\n", "\nmore\n\n"),
    "a good and a bad signature of the log key": SIGNED + _LINE.replace(_BASE64, flip(_BASE64)),
}


@pytest.mark.parametrize("name", UNSIGNED)
def test_checkpoint_without_good_signature_is_refused_as_such(name: str) -> None:
    with pytest.raises(CheckpointSignatureError) as caught:
        verify_checkpoint(UNSIGNED[name].encode(), KEY.public, origin=ORIGIN)
    unknown = name.startswith("signed by")
    assert caught.value.reason == ("checkpoint-key-unknown" if unknown else "checkpoint-signature")


def test_checkpoint_of_another_log_is_refused_as_such() -> None:
    other = CheckpointKey.generate("ledger.example/us")
    signed = sign_checkpoint(replace(CHECKPOINT, origin="ledger.example/us"), other)
    with pytest.raises(CheckpointOriginError) as caught:
        verify_checkpoint(signed.encode(), KEY.public, origin=ORIGIN)
    assert caught.value.reason == "checkpoint-origin"
    assert (caught.value.expected, caught.value.found) == (ORIGIN, "ledger.example/us")


def test_our_key_under_another_origin_is_refused() -> None:
    signed = sign_checkpoint(replace(CHECKPOINT, origin="ledger.example/us"), KEY)
    with pytest.raises(CheckpointOriginError):
        verify_checkpoint(signed.encode(), KEY.public, origin=ORIGIN)


LEAVES = [merkle.leaf_hash(b"%d" % i) for i in range(9)]


def at(size: int, leaves: list[bytes] = LEAVES) -> Checkpoint:
    return Checkpoint(ORIGIN, size, merkle.tree_root(size, nodes_above(leaves)))


FORKED = at(6, [merkle.leaf_hash(b"rewritten"), *LEAVES[1:]])
PATH_6_9 = merkle.consistency_path(6, 9, nodes_above(LEAVES))

CONTRADICTIONS: dict[str, tuple[Checkpoint, Checkpoint, list[bytes], type[LedgerError], str]] = {
    "rolled back": (at(9), at(6), PATH_6_9, CheckpointRollbackError, "checkpoint-rollback"),
    "forked": (at(6), FORKED, [], CheckpointForkError, "checkpoint-fork"),
    "rewritten": (FORKED, at(9), PATH_6_9, ConsistencyProofError, "consistency-root"),
    "empty path": (at(6), at(9), [], ConsistencyProofError, "consistency-path"),
    "path from size 0": (at(0), at(9), PATH_6_9, ConsistencyProofError, "consistency-sizes"),
    "other log": (
        at(6),
        replace(at(9), origin="ledger.example/us"),
        PATH_6_9,
        CheckpointOriginError,
        "checkpoint-origin",
    ),
}


@pytest.mark.parametrize("name", CONTRADICTIONS)
def test_checkpoint_that_does_not_continue_the_seen_one_is_refused(name: str) -> None:
    seen, new, path, error, reason = CONTRADICTIONS[name]
    with pytest.raises(error) as caught:
        check_extends(seen, new, path)
    assert caught.value.reason == reason


def test_checkpoint_that_continues_the_seen_one_is_taken() -> None:
    check_extends(at(6), at(9), PATH_6_9)
    check_extends(at(6), at(6), [])
    check_extends(at(0), at(9), [])


# --- arbitrary bytes -----------------------------------------------------------------


PIECES = st.sampled_from(
    [ORIGIN, "\n", "\n\n", "\u2014 ", " ", "+", "5", "0", _ROOT_TEXT, _BASE64, _LINE, "\r", "="]
)
TEXTS = st.one_of(st.text(), st.lists(PIECES | st.text(max_size=3)).map("".join))


@given(st.binary() | TEXTS.map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_arbitrary_bytes_raise_only_our_errors(data: bytes) -> None:
    with suppress(GatewayError):
        verify_checkpoint(data, KEY.public, origin=ORIGIN)


@given(TEXTS)
def test_an_arbitrary_verifier_key_raises_only_our_errors(text: str) -> None:
    with suppress(GatewayError):
        CheckpointPublicKey.from_vkey(text)


@given(TEXTS)
def test_a_decimal_that_is_read_is_written_the_same(text: str) -> None:
    try:
        number = parse_decimal(text)
    except ValueError:
        return
    assert str(number) == text


@given(
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1),
    st.integers(1, 2**63 - 1),
    st.binary(min_size=32, max_size=32),
)
def test_writing_then_reading_is_identity(origin: str, size: int, root: bytes) -> None:
    checkpoint = Checkpoint(origin, size, root)
    note = parse_note(sign_checkpoint(checkpoint, KEY).encode())
    assert parse_checkpoint(note) == checkpoint
