"""Statements of COSE: each way to break a good one, and why it must be refused."""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from gateway import cbor
from gateway.cbor import Tagged
from gateway.cose_key import thumbprint
from gateway.keys import DecisionKey
from gateway.receipts.make import make_statement
from gateway.verify import Trust
from gateway.verify.transparent import cose_key
from tests.gateway.verify.fresh import AT, Answer, Case, Fresh, Witness, flip
from tests.gateway.world import NOW

Mutation = tuple[Callable[[Fresh], Case], str]

KEY = DecisionKey.generate()
OTHER = DecisionKey.generate()
SECOND = int(NOW.timestamp())


def listed(f: Fresh, key: DecisionKey = KEY, **more: str) -> Any:
    origin = f.world.trust.origin
    return {"origin": origin, "keyid": key.key_id, "pem": key.public.pem, **more}


def trust(f: Fresh, *keys: Any, **members: Any) -> bytes:
    return f.trust(receipt_keys=list(keys) or [listed(f)], **members)


def good(f: Fresh, answer: Answer | None = None) -> bytes:
    return make_statement(
        answer or f.later,
        Trust.from_json(trust(f)),
        decision=f.world.decision_key,
        receipt=KEY,
        now=NOW,
    )


def cosigned(f: Fresh, *witnesses: Witness) -> Answer:
    """The later answer, its checkpoint cosigned by these."""
    proof = f.later["proof"]
    note = proof.split("\n\n", 1)[1]
    return {**f.later, "proof": proof + "".join(one.line(note) for one in witnesses)}


def demanding(f: Fresh, quorum: int = 2) -> bytes:
    vkeys = [one.public.vkey for one in f.witnesses[:2]]
    return trust(f, witnesses={"quorum": quorum, "vkeys": vkeys})


def with_note(change: Callable[[Fresh, str], Any], quorum: int = 2) -> Callable[[Fresh], Case]:
    """A statement whose receipt has a cosigned checkpoint, which is changed."""

    def case(f: Fresh) -> Case:
        statement = Parts.of(good(f, cosigned(f, *f.witnesses[:2])))
        receipt = Parts.of(statement.unprotected[394][0])
        receipt.unprotected["charter-checkpoint"] = change(
            f, receipt.unprotected["charter-checkpoint"]
        )
        statement.unprotected[394] = [receipt.encoded()]
        return Case(statement.encoded(), demanding(f, quorum))

    return case


def sign(raw: bytes, payload: bytes, key: DecisionKey) -> bytes:
    r, s = decode_dss_signature(key.sign(cbor.dumps(["Signature1", raw, b"", payload])))
    return r.to_bytes(32) + s.to_bytes(32)


@dataclass
class Parts:
    """A message taken apart. `raw` stands for `headers` where it is set."""

    headers: Any
    unprotected: Any
    payload: Any
    signature: bytes
    raw: bytes | None = None
    tag: int | None = 18

    @staticmethod
    def of(data: bytes) -> "Parts":
        message: Any = cast("Tagged", cbor.loads(data)).value
        return Parts(cbor.loads(message[0]), message[1], message[2], message[3])

    def encoded(self) -> bytes:
        message: Any = [self.protected, self.unprotected, self.payload, self.signature]
        return cbor.dumps(message if self.tag is None else Tagged(self.tag, message))

    @property
    def protected(self) -> bytes:
        return cbor.dumps(self.headers) if self.raw is None else self.raw

    def signed(self, key: DecisionKey, payload: bytes | None = None) -> "Parts":
        self.signature = sign(self.protected, self.payload if payload is None else payload, key)
        return self


@dataclass
class Both:
    """A statement and its receipt, taken apart, and the place that the receipt shows."""

    statement: Parts
    receipt: Parts
    place: Any
    root: bytes


def changed(
    change: Callable[[Both], object],
    *,
    of: Callable[[Fresh], Answer] = lambda f: f.later,
    resign: bool = True,
    receipt_key: DecisionKey | None = None,
    trusted: Callable[[Fresh], bytes] = trust,
    **more: Any,
) -> Callable[[Fresh], Case]:
    """The statement with something changed; `resign`: by the gateway itself, which went wrong;
    `receipt_key`: signs the root once more."""

    def make(f: Fresh) -> Case:
        statement = Parts.of(good(f, of(f)))
        receipt = Parts.of(statement.unprotected[394][0])
        place = cbor.loads(receipt.unprotected[396][-1][0])
        checkpoint = of(f)["proof"].split("\n\n", 1)[1].split("\n")
        root = base64.b64decode(checkpoint[2])
        both = Both(statement, receipt, place, root)
        before = receipt.unprotected[396][-1]
        change(both)
        if receipt.unprotected.get(396, {}).get(-1) is before:
            receipt.unprotected[396][-1] = [cbor.dumps(place)]
        if receipt_key is not None:
            receipt.signed(receipt_key, root)
        if 394 in statement.unprotected and len(statement.unprotected[394]) == 1:
            statement.unprotected[394] = [receipt.encoded()]
        if resign:
            statement.signed(f.world.decision_key)
        return Case(statement.encoded(), trusted(f), **more)

    return make


def place(number: int, value: Any) -> Callable[[Both], object]:
    return lambda both: both.place.__setitem__(number, value)


def path(change: Callable[[list[bytes]], object]) -> Callable[[Both], object]:
    return lambda both: change(both.place[2])


def whole(change: Callable[[bytes], bytes], **more: Any) -> Callable[[Fresh], Case]:
    return lambda f: Case(change(good(f)), trust(f), **more)


def inner(change: Callable[[bytes], bytes]) -> Callable[[Fresh], Case]:
    """The bytes of the receipt changed."""

    def make(f: Fresh) -> Case:
        statement = Parts.of(good(f))
        statement.unprotected[394] = [change(statement.unprotected[394][0])]
        return Case(statement.encoded(), trust(f))

    return make


def twice(both: Both, part: str) -> None:
    """A label that comes twice in a protected header."""
    message: Parts = getattr(both, part)
    encoded = cbor.dumps(message.headers)
    message.raw = bytes([encoded[0] + 1]) + encoded[1:] + b"\x01\x26"


def unprotected(both: Both, part: str) -> None:
    message: Parts = getattr(both, part)
    message.unprotected[1] = message.headers.pop(1)


def critical(both: Both, part: str) -> None:
    getattr(both, part).headers.update({2: ["mine"], "mine": 1})


def header(part: str, label: Any, value: Any) -> Callable[[Both], object]:
    return lambda both: getattr(both, part).headers.__setitem__(label, value)


def claim(part: str, label: int, value: Any) -> Callable[[Both], object]:
    return lambda both: getattr(both, part).headers[15].__setitem__(label, value)


def proofs(value: Any) -> Callable[[Both], object]:
    return lambda both: both.receipt.unprotected.__setitem__(396, value)


def another(f: Fresh) -> Case:
    """The receipt of another statement."""
    statement, other = Parts.of(good(f)), Parts.of(good(f, f.deny))
    statement.unprotected = other.unprotected
    return Case(statement.encoded(), trust(f))


def stranger(both: Both) -> None:
    both.statement.headers[4] = thumbprint(cose_key(OTHER.public))
    both.statement.signed(OTHER)


def as_der(f: Fresh) -> Case:
    statement = Parts.of(good(f))
    signed = cbor.dumps(["Signature1", statement.protected, b"", statement.payload])
    statement.signature = f.world.decision_key.sign(signed)
    return Case(statement.encoded(), trust(f))


def named(both: Both, key: DecisionKey) -> None:
    both.receipt.headers[4] = thumbprint(cose_key(key.public))


def spaced(both: Both) -> None:
    both.statement.payload = json.dumps(json.loads(both.statement.payload)).encode()


BAD: dict[str, Mutation] = {
    # the statement
    "COSE a byte of the record changed": (
        whole(lambda data: data.replace(b'"payloadType"', b'"payloadtype"')), "cose-signature",
    ),
    "COSE the signature changed": (whole(flip), "cose-signature"),
    "COSE the signature in DER": (as_der, "cose-signature"),
    "COSE a byte after": (whole(lambda data: data + b"\0"), "cose-statement"),
    "COSE cut off": (whole(lambda data: data[:-1]), "cose-statement"),
    "COSE a label twice": (changed(lambda b: twice(b, "statement")), "cose-statement"),
    "COSE the algorithm unprotected": (
        changed(lambda b: unprotected(b, "statement")), "cose-algorithm",
    ),
    "COSE the algorithm of another curve": (
        changed(header("statement", 1, -35)), "cose-algorithm",
    ),
    "COSE a critical header that nobody knows": (
        changed(lambda b: critical(b, "statement")), "cose-statement",
    ),
    "COSE another content type": (
        changed(header("statement", 3, "application/json")), "cose-statement",
    ),
    "COSE a receipt in the place of a statement": (
        changed(header("statement", 16, "application/scitt-receipt+cose")), "cose-statement",
    ),
    "COSE no payload": (
        changed(lambda b: setattr(b.statement, "payload", None), resign=False), "cose-statement",
    ),
    "COSE no salt": (
        changed(lambda b: b.statement.headers.pop("charter-salt")), "cose-statement",
    ),
    "COSE a time that is a text": (changed(claim("statement", 6, "now")), "cose-statement"),
    "COSE a record written with spaces": (changed(spaced), "cose-statement"),
    "COSE a record that is no JSON": (
        changed(lambda b: setattr(b.statement, "payload", b"{")), "cose-statement",
    ),
    "COSE signed by a stranger": (changed(stranger, resign=False), "cose-key-unknown"),
    "COSE stated later than it is judged": (
        changed(claim("statement", 6, SECOND + 24 * 3600)), "decided-later",
    ),
    "COSE stated at no time that there is": (changed(claim("statement", 6, 2**62)), "key-period"),
    "COSE of another decision": (
        changed(claim("statement", 2, "x")), "answer-differs-from-record",
    ),
    "COSE not the decision asked for": (whole(bytes, expect="x"), "decision-mismatch"),
    "COSE not of the request": (whole(bytes, request={}), "request-mismatch"),
    # the receipt
    "COSE another salt": (
        changed(header("statement", "charter-salt", bytes(32))), "receipt-signature",
    ),
    "COSE the receipt of another statement": (another, "receipt-signature"),
    "COSE another index": (changed(place(1, 6)), "receipt-signature"),
    "COSE an index beyond the tree": (changed(place(1, 8)), "inclusion-proof"),
    "COSE an index below": (changed(place(1, -1)), "receipt-malformed"),
    "COSE another size of the tree": (changed(place(0, 9)), "inclusion-path"),
    "COSE another place in a tree of another size, with the same path": (
        changed(lambda b: (place(0, 3)(b), place(1, 2)(b)), of=lambda f: f.deny), "receipt-size",
    ),
    "COSE a size that was not signed": (
        changed(lambda b: b.receipt.headers.pop("charter-tree-size"), receipt_key=KEY),
        "receipt-size",
    ),
    "COSE a signed size that is true": (
        changed(
            header("receipt", "charter-tree-size", True), of=lambda f: f.permit, receipt_key=KEY
        ), "receipt-size",
    ),
    "COSE another size, and no path": (
        changed(place(0, 2), of=lambda f: f.permit), "inclusion-path-empty",
    ),
    "COSE a hash of the path changed": (
        changed(path(lambda nodes: nodes.__setitem__(0, flip(nodes[0])))), "receipt-signature",
    ),
    "COSE hashes of the path in another order": (
        changed(path(lambda nodes: nodes.reverse())), "receipt-signature",
    ),
    "COSE a hash more": (changed(path(lambda nodes: nodes.append(bytes(32)))), "inclusion-path"),
    "COSE a hash of 31 bytes": (
        changed(path(lambda nodes: nodes.__setitem__(0, bytes(31)))), "receipt-malformed",
    ),
    "COSE a path that is a hash": (changed(place(2, bytes(32))), "receipt-malformed"),
    "COSE a size that is true": (changed(place(0, True)), "receipt-malformed"),
    "COSE the signature of the receipt changed": (inner(flip), "receipt-signature"),
    "COSE a byte after the receipt": (inner(lambda data: data + b"\0"), "receipt-malformed"),
    "COSE a receipt without its tag": (inner(lambda data: data[1:]), "receipt-malformed"),
    "COSE a receipt under another tag": (
        inner(lambda data: b"\xd8\x62" + data[1:]), "receipt-malformed",
    ),
    "COSE a receipt that carries the root": (
        changed(lambda b: setattr(b.receipt, "payload", b.root)), "receipt-malformed",
    ),
    "COSE a receipt that carries another root": (
        changed(lambda b: setattr(b.receipt, "payload", bytes(32))), "receipt-malformed",
    ),
    "COSE a label twice in the receipt": (
        changed(lambda b: twice(b, "receipt"), receipt_key=KEY), "receipt-malformed",
    ),
    "COSE the algorithm of the receipt unprotected": (
        changed(lambda b: unprotected(b, "receipt"), receipt_key=KEY), "receipt-malformed",
    ),
    "COSE a critical header of the receipt": (
        changed(lambda b: critical(b, "receipt"), receipt_key=KEY), "receipt-malformed",
    ),
    "COSE the structure unprotected": (
        changed(
            lambda b: b.receipt.unprotected.update({395: b.receipt.headers.pop(395)}),
            receipt_key=KEY,
        ), "receipt-malformed",
    ),
    "COSE a receipt of no type": (
        changed(lambda b: b.receipt.headers.pop(16), receipt_key=KEY), "receipt-malformed",
    ),
    "COSE a statement in the place of a receipt": (
        changed(header("receipt", 16, "application/scitt-statement+cose"), receipt_key=KEY),
        "receipt-malformed",
    ),
    "COSE a receipt of no key": (
        changed(lambda b: b.receipt.headers.pop(4), receipt_key=KEY), "receipt-malformed",
    ),
    "COSE claims that are no map": (
        changed(header("receipt", 15, 1), receipt_key=KEY), "receipt-malformed",
    ),
    "COSE no proof": (changed(proofs({})), "receipt-malformed"),
    "COSE proofs of an unknown kind": (changed(proofs({-3: [b""]})), "receipt-malformed"),
    "COSE two proofs": (
        changed(lambda b: proofs({-1: [cbor.dumps(b.place)] * 2})(b)), "receipt-malformed",
    ),
    "COSE proofs of both kinds": (
        changed(
            lambda b: proofs({-1: [cbor.dumps(b.place)], -2: [cbor.dumps(b.place)]})(b)
        ), "receipt-malformed",
    ),
    "COSE a proof that a log was only added to": (
        changed(lambda b: proofs({-2: [cbor.dumps(b.place)]})(b)), "receipt-malformed",
    ),
    "COSE a proof that is no byte string": (
        changed(lambda b: proofs({-1: [b.place]})(b)), "receipt-malformed",
    ),
    "COSE a byte after the proof": (
        changed(lambda b: proofs({-1: [cbor.dumps(b.place) + b"\0"]})(b)), "receipt-malformed",
    ),
    "COSE a proof of two": (
        changed(lambda b: proofs({-1: [cbor.dumps(b.place[:2])]})(b)), "receipt-malformed",
    ),
    "COSE receipts that are no list": (
        changed(lambda b: b.statement.unprotected.update({394: {}})), "receipt-malformed",
    ),
    "COSE a receipt that is no byte string": (
        inner(lambda _: cast("Any", [])), "receipt-malformed",
    ),
    "COSE a receipt of a key that nobody trusts": (
        changed(lambda b: named(b, OTHER), receipt_key=OTHER), "receipt-key-unknown",
    ),
    "COSE no key for receipts is trusted": (
        lambda f: Case(good(f), f.trust()), "receipt-key-unknown",
    ),
    "COSE a receipt of a stranger under the name of a trusted key": (
        changed(lambda b: None, receipt_key=OTHER), "receipt-signature",
    ),
    "COSE a receipt signed with the decision key": (
        lambda f: changed(
            lambda b: named(b, f.world.decision_key), receipt_key=f.world.decision_key
        )(f), "receipt-key-unknown",
    ),
    "COSE the key of another log": (
        changed(
            lambda b: named(b, OTHER),
            receipt_key=OTHER,
            trusted=lambda f: trust(
                f, listed(f), {**listed(f, OTHER), "origin": "another.example/log"}
            ),
        ), "receipt-origin",
    ),
    "COSE the receipt says another log": (
        changed(claim("receipt", 1, "another.example/log"), receipt_key=KEY), "receipt-origin",
    ),
    "COSE a key for receipts that had ended": (
        changed(
            lambda b: None, trusted=lambda f: trust(f, listed(f, until="2026-11-22T09:30:15Z"))
        ), "receipt-key-period",
    ),
    "COSE a receipt of no time": (
        changed(lambda b: b.receipt.headers[15].pop(6), receipt_key=KEY), "receipt-key-period",
    ),
    "COSE one receipt that holds beside one that does not": (
        changed(
            lambda b: b.statement.unprotected.update(
                {394: [b.receipt.encoded(), flip(b.receipt.encoded())]}
            )
        ), "receipt-signature",
    ),
}  # fmt: skip


def no_receipt(both: Both) -> None:
    del both.statement.unprotected[394]


CANNOT_TELL: dict[str, Mutation] = {
    "COSE no receipt": (changed(no_receipt), "receipt-missing"),
    "COSE an empty list of receipts": (
        changed(lambda b: b.statement.unprotected.update({394: []})), "receipt-missing",
    ),
    "COSE a receipt of another structure": (
        changed(header("receipt", 395, 2), receipt_key=KEY), "receipt-structure",
    ),
    "COSE a structure that is true": (
        changed(header("receipt", 395, True), receipt_key=KEY), "receipt-structure",
    ),
    "COSE where witnesses are demanded": (
        lambda f: Case(
            good(f),
            trust(f, witnesses={"quorum": 1, "vkeys": [f.witnesses[0].public.vkey]}),
        ), "receipt-unwitnessed",
    ),
    "COSE a checkpoint that is taken away": (
        lambda f: Case(
            good(f), demanding(f)
        ), "receipt-unwitnessed",
    ),
    "COSE one key for decisions and for receipts": (
        lambda f: Case(good(f), trust(f, listed(f, f.world.decision_key))), "trust-key-twice",
    ),
    "COSE a key for receipts twice": (
        lambda f: Case(good(f), trust(f, listed(f), listed(f))), "trust-key-twice",
    ),
    "COSE a key for receipts under another id": (
        lambda f: Case(good(f), trust(f, {**listed(f), "keyid": OTHER.key_id})),
        "trust-key-refused",
    ),
    "COSE a key for receipts of no log": (
        lambda f: Case(good(f), trust(f, {**listed(f), "origin": ""})), "trust-malformed",
    ),
}  # fmt: skip


def loose(data: bytes) -> bytes:
    """The same message in another encoding: a list without a length, long heads."""
    message = Parts.of(data)
    raw = message.protected
    assert len(raw) > 24
    return (
        b"\xd8\x12\x9f\x59" + len(raw).to_bytes(2) + raw + cbor.dumps(message.unprotected)
        + cbor.dumps(message.payload) + cbor.dumps(message.signature) + b"\xff"
    )  # fmt: skip


def beside(f: Fresh) -> Case:
    """With receipts of others that say nothing to us."""
    statement = Parts.of(good(f))
    (one,) = statement.unprotected[394]
    ccf, stranger = Parts.of(one), Parts.of(one)
    ccf.headers[395] = 2
    stranger.headers[4] = b"x" * 32
    statement.unprotected[394] = [ccf.encoded(), stranger.encoded(), one]
    return Case(statement.encoded(), trust(f))


def noted(f: Fresh, note: str) -> str:
    return note + "".join(one.line(note) for one in f.witnesses[:2])


def forked(f: Fresh) -> str:
    """A checkpoint of another history, as large as the tree of the later answer."""
    size = int(f.later["proof"].split("\n\n", 1)[1].split("\n")[1])
    (one,) = [n for n in f.other_history() if int(n.split("\n")[1]) == size]
    return one


NOTES: dict[str, Mutation] = {
    "COSE one witness of two": (
        lambda f: Case(good(f, cosigned(f, f.witnesses[0])), demanding(f)), "witness-quorum",
    ),
    "COSE one witness twice": (
        lambda f: Case(
            good(f, cosigned(f, f.witnesses[0], f.witnesses[0])), demanding(f)
        ), "witness-quorum",
    ),
    "COSE a witness that nobody knows": (
        lambda f: Case(good(f, cosigned(f, *f.witnesses[1:])), demanding(f)), "witness-quorum",
    ),
    "COSE a checkpoint that is no text": (with_note(lambda f, n: n.encode()), "receipt-malformed"),
    "COSE a checkpoint that is none": (with_note(lambda f, n: "x"), "checkpoint-malformed"),
    "COSE a damaged cosignature": (
        with_note(lambda f, n: n.removesuffix(n[-12:]) + "AAAAAAAAAA=\n"), "cosignature",
    ),
    "COSE a damaged cosignature that nobody demands": (
        with_note(lambda f, n: n.removesuffix(n[-12:]) + "AAAAAAAAAA=\n", 0), "cosignature",
    ),
    "COSE a checkpoint without the line of the log": (
        with_note(lambda f, n: n.replace(n.split("\n")[4] + "\n", "", 1)),
        "checkpoint-key-unknown",
    ),
    "COSE the checkpoint of another size": (
        with_note(lambda f, n: noted(f, f.permit["proof"].split("\n\n", 1)[1])),
        "receipt-checkpoint",
    ),
    "COSE the checkpoint of another history": (
        with_note(lambda f, n: noted(f, forked(f))), "checkpoint-fork",
    ),
}  # fmt: skip
BAD.update(NOTES)

GOOD: dict[str, Callable[[Fresh], Case]] = {
    "COSE as it was made": whole(bytes),
    "COSE the decision that was asked for": lambda f: Case(good(f), trust(f), expect=f.later["id"]),
    "COSE in a tree of one entry": lambda f: Case(good(f, f.permit), trust(f)),
    "COSE with a receipt in another encoding": inner(lambda data: b"\xd2" + loose(data)[2:]),
    "COSE with receipts of others beside": beside,
    "COSE while the key counted": lambda f: Case(
        good(f),
        trust(f, {**listed(f), "from": "2026-11-22T09:30:15Z", "until": "2026-11-22T09:30:16Z"}),
        at=AT,
    ),
    "COSE cosigned as is demanded": lambda f: Case(
        good(f, cosigned(f, *f.witnesses[:2])), demanding(f)
    ),
    "COSE cosigned by one more": lambda f: Case(good(f, cosigned(f, *f.witnesses)), demanding(f)),
    "COSE cosigned, and nobody demands it": lambda f: Case(
        good(f, cosigned(f, *f.witnesses)), trust(f)
    ),
    "COSE signed once more by the key for receipts": changed(lambda b: None, receipt_key=KEY),
}
