"""Receipts of RFC 9942 by themselves: both kinds of proof, and keys that are read and named."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway import cbor
from gateway.cose import CoseMalformedError
from gateway.cose_key import read_key, thumbprint, write_key
from gateway.errors import ConsistencyProofError, GatewayError, LedgerError
from gateway.ledger.checkpoint import parse_checkpoint
from gateway.ledger.note import parse_note
from gateway.verify.receipt import (
    Consistency,
    parse_receipt,
    verify_consistency_receipt,
    verify_inclusion_receipt,
)
from gateway.verify.refused_receipts import ReceiptFormError, ReceiptSignatureError
from gateway.verify.transparent import cose_key
from tests.gateway.verify.fresh import flip
from tests.gateway.verify.statements import KEY, OTHER, Parts
from tests.gateway.world import World

PUBLIC = cose_key(KEY.public)


class Trees:
    """Roots of a log of 8 entries, and how it grew."""

    def __init__(self, folder: Path) -> None:
        self.roots: dict[int, bytes] = {}
        with World(folder) as world:
            for size in range(1, 9):
                world.decide()
                note = parse_note(world.ledger.latest_checkpoint().encode())
                assert parse_checkpoint(note).size == size
                self.roots[size] = parse_checkpoint(note).root
            self.paths = {
                (old, new): world.ledger.consistency(old, new)
                for new in self.roots
                for old in range(1, new + 1)
            }

    def receipt(self, old: int, new: int, /, **changed: Any) -> bytes:
        place: Any = {"old": old, "new": new, "path": self.paths[old, new], **changed}
        proof = cbor.dumps([place["old"], place["new"], place["path"]])
        headers: Any = {1: -7, 4: thumbprint(PUBLIC), 395: 1}
        made = Parts(headers, {396: {-2: [proof]}}, None, b"")
        return made.signed(KEY, self.roots[new]).encoded()


@pytest.fixture(scope="module")
def trees(tmp_path_factory: pytest.TempPathFactory) -> Trees:
    return Trees(tmp_path_factory.mktemp("trees"))


def test_a_receipt_shows_that_the_log_was_only_added_to(trees: Trees) -> None:
    for old, new in trees.paths:
        receipt = parse_receipt(trees.receipt(old, new))
        assert isinstance(receipt.proof, Consistency)
        assert verify_consistency_receipt(receipt, trees.roots[old], PUBLIC) == trees.roots[new]


DAMAGED: dict[str, tuple[Callable[[Trees], bytes], type[GatewayError]]] = {
    "another tree before": (lambda t: t.receipt(3, 7, old=2), LedgerError),
    "another tree after": (lambda t: t.receipt(3, 7, new=4), LedgerError),
    "no tree before": (lambda t: t.receipt(3, 7, old=0), ConsistencyProofError),
    "sizes swapped": (lambda t: t.receipt(3, 7, old=7, new=3), ConsistencyProofError),
    "a hash less": (lambda t: t.receipt(3, 7, path=t.paths[3, 7][:-1]), ConsistencyProofError),
    "a hash more": (
        lambda t: t.receipt(3, 7, path=[*t.paths[3, 7], bytes(32)]), ConsistencyProofError,
    ),
    "the first hash": (
        lambda t: t.receipt(3, 7, path=[bytes(32), *t.paths[3, 7][1:]]), ConsistencyProofError,
    ),
    "a hash that only the newer tree has": (
        lambda t: t.receipt(4, 7, path=[flip(t.paths[4, 7][0]), *t.paths[4, 7][1:]]),
        ReceiptSignatureError,
    ),
    "the signature": (lambda t: flip(t.receipt(3, 7)), ReceiptSignatureError),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGED)
def test_a_receipt_of_a_log_that_was_rewritten_is_refused(trees: Trees, name: str) -> None:
    make, error = DAMAGED[name]
    old = 4 if "only the newer" in name else 3
    receipt = parse_receipt(make(trees))
    with pytest.raises(error):
        verify_consistency_receipt(receipt, trees.roots[old], PUBLIC)


def test_a_receipt_counts_for_its_tree_its_key_and_its_kind_alone(trees: Trees) -> None:
    receipt = parse_receipt(trees.receipt(3, 7))
    with pytest.raises(ConsistencyProofError):
        verify_consistency_receipt(receipt, trees.roots[4], PUBLIC)
    with pytest.raises(ReceiptSignatureError):
        verify_consistency_receipt(receipt, trees.roots[3], cose_key(OTHER.public))
    with pytest.raises(ReceiptFormError):
        verify_inclusion_receipt(receipt, trees.roots[3], PUBLIC)
    for key in (ec.generate_private_key(ec.SECP384R1()), Ed25519PrivateKey.generate()):
        with pytest.raises(ReceiptFormError):
            verify_consistency_receipt(receipt, trees.roots[3], key.public_key())
    with pytest.raises(ReceiptFormError):
        parse_receipt(trees.receipt(3, 7) + bytes(70_000))


# --- keys -----------------------------------------------------------------------------


def test_the_thumbprint_is_the_published_one() -> None:
    """RFC 9679, section 5.1."""
    x = "65eda5a12577c2bae829437fe338701a10aaa375e1bb5b5de108de439c08551d"
    y = "1e52ed75701163f7f9e40ddf9f341b3dc9ba860af7e0ca7ca7e9eecd0084d19c"
    key: Any = {
        1: 2, -1: 1, -2: bytes.fromhex(x), -3: bytes.fromhex(y), 2: b"meriadoc.brandybuck@buckland"
    }  # fmt: skip
    expected = "496bd8afadf307e5b08c64b0421bf9dc01528a344a43bda88fadd1669da253ec"
    assert thumbprint(read_key(key)).hex() == expected


def test_keys_of_every_kind_are_read_as_they_were_written() -> None:
    curves = (ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1())
    keys = [ec.generate_private_key(curve).public_key() for curve in curves]
    for key in (*keys, Ed25519PrivateKey.generate().public_key()):
        again = read_key(dict(write_key(key)))
        assert write_key(again) == write_key(key)
        assert thumbprint(again) == thumbprint(key)
    with pytest.raises(CoseMalformedError):
        write_key(rsa.generate_private_key(65537, 2048).public_key())
    with pytest.raises(CoseMalformedError):
        write_key(ec.generate_private_key(ec.SECP256K1()).public_key())


GOOD: Any = write_key(PUBLIC)
KEYS: dict[str, Any] = {
    "no map": [1],
    "nothing": {},
    "a private part": {**GOOD, -4: bytes(32)},
    "another kind": {**GOOD, 1: 3},
    "another curve": {**GOOD, -1: 2},
    "a curve that is not known": {**GOOD, -1: 8},
    "a curve that is a list": {**GOOD, -1: [1]},
    "a point beside the curve": {**GOOD, -3: bytes(32)},
    "a compressed point": {**GOOD, -3: True},
    "a short coordinate": {**GOOD, -2: GOOD[-2][1:]},
    "a text": {**GOOD, -2: "x"},
    "Ed25519 of 31 bytes": {1: 1, -1: 6, -2: bytes(31)},
}


@pytest.mark.parametrize("name", KEYS)
def test_what_is_no_public_key_is_refused(name: str) -> None:
    with pytest.raises(CoseMalformedError):
        read_key(KEYS[name])
