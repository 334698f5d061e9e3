"""Wrong evidence: each way to break a good bundle, and why it must be refused.

Numbers are those of the list of mutations that conformance suites share; names say what was
damaged. Every case is made from fresh evidence of a real service.
"""

import base64
import io
import json
import re
import stat
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.x509.oid import ExtendedKeyUsageOID as Usage

from gateway.keys import CheckpointKey, DecisionKey
from gateway.ledger.checkpoint import Checkpoint, sign_checkpoint
from gateway.record.envelope import EnvelopeSignature
from tests.gateway.verify import statements
from tests.gateway.verify.fresh import AT, Case, Fresh, bare, flip, lines_changed
from tests.gateway.verify.tsa import Issued, issue
from tests.gateway.world import question

ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
ED25519_ORDER = 2**252 + 27742317777372353535851937790883648493
LATER = (datetime.now(UTC) + timedelta(hours=1)).isoformat(timespec="seconds")

Mutation = tuple[Callable[[Fresh], Case], str]
"""What is put to the verifier, and the reason that it must give."""


def parts(r: Callable[[int], int], s: Callable[[int], int]) -> Callable[[bytes], bytes]:
    def change(signature: bytes) -> bytes:
        first, second = decode_dss_signature(signature)
        return encode_dss_signature(r(first), s(second))

    return change


def raw(signature: bytes) -> bytes:
    return b"".join(part.to_bytes(32, "big") for part in decode_dss_signature(signature))


def signed(change: Callable[[bytes], bytes]) -> Callable[[Fresh], Case]:
    """The signature of the first record changed."""
    return lambda f: f.case(f.with_signature(change))


def payload(name: str, old: bytes, new: bytes) -> Callable[[Fresh], Case]:
    """Another payload, signed and logged by the gateway itself."""

    def make(f: Fresh) -> Case:
        return Case(bare(f.resigned(name, lambda text: text.replace(old, new, 1))), f.trust())

    return make


def proof(change: Callable[[list[str]], object]) -> Callable[[Fresh], Case]:
    return lambda f: f.case(lines_changed(f.later, change))


def checkpoint(change: Callable[[str], str]) -> Callable[[Fresh], Case]:
    return lambda f: f.case(checkpoint=change(f.checkpoint).encode())


def line(number: int, text: str) -> Callable[[list[str]], None]:
    return lambda lines: lines.__setitem__(number, text)


def with_crlf(answer: dict[str, Any]) -> dict[str, Any]:
    return {**answer, "proof": answer["proof"].replace("\n", "\r\n")}


def swap(lines: list[str]) -> None:
    lines[3], lines[4] = lines[4], lines[3]


def two_keys(f: Fresh) -> Any:
    keys = json.loads(f.trust())["decision_keys"]
    return [*keys, {"keyid": f.second.key_id, "pem": f.second.public.pem}]


def unreduced(f: Fresh) -> str:
    """The signature of the checkpoint with S + L, which another implementation may take."""
    head, _, encoded = f.checkpoint.rstrip("\n").rpartition(" ")
    data = base64.b64decode(encoded)
    s = int.from_bytes(data[-32:], "little") + ED25519_ORDER
    return f"{head} {base64.b64encode(data[:-32] + s.to_bytes(32, 'little')).decode()}\n"


def tombstone(change: Callable[[Any], object]) -> Callable[[Fresh], Case]:
    return lambda f: Case(f.tombstone(change), f.trust())


def of_decision(f: Fresh) -> Case:
    """A decision that says around its record that it was erased."""
    return Case(
        f.tombstone(lambda t: t.update(record=f.deny["record"], proof=f.deny["proof"])), f.trust()
    )


def other_place(f: Fresh) -> Case:
    """The place of another entry that is erased."""
    other = json.loads(f.tombstone())
    return Case(f.tombstone(lambda t: t.update(place=other["place"])), f.trust())


def log_key(raw_key: bytes, kind: bytes = b"\x01") -> Callable[[Any], object]:
    vkey = "ledger.example/test+00000000+" + base64.b64encode(kind + raw_key).decode()
    return lambda t: t["log"].update(vkey=vkey)


def other_key_same_id(trust: Any) -> None:
    trust["decision_keys"].append(
        {"keyid": trust["decision_keys"][0]["keyid"], "pem": DecisionKey.generate().public.pem}
    )


def stamped(
    f: Fresh,
    token: bytes | None = None,
    *,
    roots: list[Issued] | None = None,
    signers: list[Issued] | None = None,
    **more: Any,
) -> Case:
    a = f.authority
    issuers = [a.root, a.middle] if roots is None else roots
    accepted: dict[str, Any] = {"roots": [one.pem for one in issuers], **more}
    if signers is not None:
        accepted["signers"] = [one.pem for one in signers]
    stamp = a.stamp(f.checkpoint.encode()) if token is None else token
    return f.case(trust=f.trust(timestamps=accepted), timestamp=stamp, at=LATER)


def replaced(f: Fresh, last_size: int) -> bytes:
    """Trust in a log whose key was replaced, and counts up to a size."""
    log = f.world.trust.to_json()["log"]
    assert isinstance(log, dict)
    new = CheckpointKey.generate(str(log["origin"])).public
    return f.trust(
        lambda t: t["log"].update(vkey=new.vkey),
        further_logs=[{**log, "last_size": last_size}],
    )


def misused(f: Fresh, *purposes: Any, critical: bool = True) -> Case:
    """A good timestamp, by a certificate that is for other purposes."""
    made = issue("one", f.authority.middle, purposes=[Usage.TIME_STAMPING])
    twin = issue("one", f.authority.middle, purposes=[*purposes], critical=critical, twin=made)
    return stamped(f, f.authority.stamp(f.checkpoint.encode(), made), signers=[twin])


def expired(f: Fresh) -> Case:
    a = f.authority
    day = timedelta(days=1)
    old = issue("old", a.root, start=datetime.now(UTC) - 9 * day, end=datetime.now(UTC) - day)
    made = issue("below", old, purposes=[Usage.TIME_STAMPING])
    return stamped(f, a.stamp(f.checkpoint.encode(), made), roots=[a.root, old])


def zipped(*files: tuple[str, bytes], mode: int = 0o644, kind: int = stat.S_IFREG) -> bytes:
    """An archive as no honest exporter writes it."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files:
            about = zipfile.ZipInfo(name)
            about.external_attr = (kind | mode) << 16
            about.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(about, data)
    return made.getvalue()


def archived(*files: tuple[str, bytes], **more: Any) -> Callable[[Fresh], Case]:
    return lambda f: Case(zipped(*files, **more), f.trust())


def grouped(f: Fresh, enough: int) -> bytes:
    """Trust in two groups of witnesses: two of two, and one."""
    first, second, third = (one.public.vkey for one in f.witnesses)
    groups = [{"enough": 2, "of": [first, second]}, {"enough": 1, "of": [third]}]
    return f.trust(witnesses={"quorum": {"enough": enough, "of": groups}})


def forked(f: Fresh) -> str:
    return f.other_history()[0]


def larger(f: Fresh) -> str:
    root = bytes(32)
    seen = Checkpoint("ledger.example/test", f.world.ledger.size + 1, root)
    return sign_checkpoint(seen, f.world.checkpoint_key)


def path_of(f: Fresh, path: list[bytes]) -> Case:
    (sizes,) = f.paths(f.permit)
    return f.case(f.permit, paths={sizes: tuple(path)})


def consistency(f: Fresh, old: int, new: int) -> Case:
    value: Any = [{"from": old, "to": new, "path": []}]
    return Case(
        f.files(lambda files: files.update({"consistency.json": json.dumps(value).encode()})),
        f.trust(),
    )


OTHER = {
    "subject": {"type": "workload", "id": "w-2"}, "action": {"name": "place"},
    "resource": {"type": "site", "id": "far"},
}  # fmt: skip
EMPTY = b'{"format":"charter-evidence/v1","decisions":{}}'

TOMBSTONES: dict[str, Mutation] = {
    "a tombstone with another reason": (
        tombstone(lambda t: t["erased"].update(reason="none")),
        "answer-differs-from-record",
    ),
    "a tombstone of another day": (
        tombstone(lambda t: t.update(erased_at="2026-11-21T00:00:00.000Z")),
        "answer-differs-from-record",
    ),
    "a tombstone under another id": (
        tombstone(lambda t: t.update(id="01a201f9-0e99-743f-909a-9359f0d9a479")),
        "answer-differs-from-record",
    ),
    "a tombstone over the record of a decision": (of_decision, "answer-malformed"),
    "a tombstone without a place": (tombstone(lambda t: t.pop("place")), "answer-malformed"),
    "a tombstone with the place of another": (other_place, "answer-differs-from-record"),
    "a tombstone with the proof of a body for its place": (
        lambda f: Case(f.tombstone(lambda t: t.update(place=f.deny["proof"])), f.trust()),
        "proof-malformed",
    ),
    "a tombstone with a hash of its place changed": (
        tombstone(lambda t: t.update(place=t["place"].replace("\nindex ", "\nindex 1", 1))),
        "inclusion-proof",
    ),
    "a tombstone that the gateway did not sign": (
        tombstone(lambda t: t["record"]["signatures"][0].update(sig="AAAA")),
        "signature-encoding",
    ),
    "a tombstone of another decision than was asked for": (
        lambda f: Case(f.tombstone(), f.trust(), expect=f.deny["id"]),
        "decision-mismatch",
    ),
}

BAD: dict[str, Mutation] = {
    **statements.BAD,
    **TOMBSTONES,
    "M-01 one bit of the signature": (signed(flip), "signature-invalid"),
    "M-02 signed by another valid key": (
        lambda f: f.case(
            f.logged(replace(f.envelope(f.permit), signatures=(f.line(f.second),)), "m-02")
        ),
        "key-unknown",
    ),
    "M-03 key right, id of another": (
        lambda f: f.case(
            f.with_envelope(f.permit, signatures=(f.line(f.world.decision_key, "0" * 64),))
        ),
        "key-id-mismatch",
    ),
    "M-03 id right, key wrong": (
        lambda f: f.case(
            f.with_envelope(f.permit, signatures=(f.line(f.second, f.world.decision_key.key_id),))
        ),
        "signature-invalid",
    ),
    "M-04 payload of another decision under the signature": (
        lambda f: f.case(f.with_envelope(f.permit, payload=f.envelope(f.deny).payload)),
        "signature-invalid",
    ),
    "M-05 payload type changed": (
        lambda f: f.case(f.with_envelope(f.permit, payload_type="application/json")),
        "payload-type",
    ),
    "M-06 two signatures, one bad": (
        lambda f: f.case(
            f.with_envelope(
                f.permit,
                signatures=(
                    *f.envelope(f.permit).signatures,
                    EnvelopeSignature(f.second.key_id, f.second.sign(b"else")),
                ),
            ),
            trust=f.trust(decision_keys=two_keys(f)),
        ),
        "signature-invalid",
    ),
    "M-06 one signature twice, for a threshold of two": (
        lambda f: f.case(
            f.with_envelope(f.permit, signatures=f.envelope(f.permit).signatures * 2),
            trust=f.trust(decision_keys=two_keys(f), threshold=2),
        ),
        "too-few-signatures",
    ),
    "M-07 record of another request": (lambda f: f.case(request=OTHER), "request-mismatch"),
    "M-08 record under other rules": (
        lambda f: f.case(trust=f.trust(rules=[{"digest": "sha256:" + "0" * 64}])),
        "rules-unknown",
    ),
    "M-09 spaces": (payload("m-09a", b'":', b'": '), "payload-not-canonical"),
    "M-09 key order": (
        payload("m-09b", b'"action":"place","advice":[]', b'"advice":[],"action":"place"'),
        "payload-not-canonical",
    ),
    "M-09 a whole number as 1.0": (
        payload("m-09c", b'"preference":0', b'"preference":0.0'),
        "payload-not-canonical",
    ),
    "M-09 a letter escaped": (
        payload("m-09d", b'"decision"', b'"\\u0064ecision"'),
        "payload-not-canonical",
    ),
    "M-10 duplicate key, the last true": (
        payload("m-10a", b'"decision":"permit"', b'"decision":"deny","decision":"permit"'),
        "payload-duplicate-key",
    ),
    "M-10 duplicate key, the first true": (
        payload("m-10b", b'"decision":"permit"', b'"decision":"permit","decision":"deny"'),
        "payload-duplicate-key",
    ),
    "M-11 a key with an invisible character": (
        payload("m-11a", b'"decision":', '"decision":"deny","decision\u200b":'.encode()),
        "payload-lookalike-key",
    ),
    "M-11 a key in another Unicode form": (
        payload("m-11b", b'"engines":', '"engine\u017f":{},"engines":'.encode()),
        "payload-not-canonical",
    ),
    "M-12 before the key counted": (
        lambda f: f.case(
            trust=f.trust(
                lambda t: t["decision_keys"][0].update({"from": "2026-11-23T00:00:00Z"}), rules=[]
            )
        ),
        "key-period",
    ),
    "M-12 after the key counted": (
        lambda f: f.case(
            trust=f.trust(
                lambda t: t["decision_keys"][0].update(until="2026-11-22T09:30:15Z"), rules=[]
            )
        ),
        "key-period",
    ),
    "M-12 after the rules were in force": (
        lambda f: f.case(
            trust=f.trust(rules=[{"digest": f.permit["bundle"], "until": "2026-11-22T09:00:00Z"}])
        ),
        "rules-period",
    ),
    "M-12 decided after it is judged": (
        lambda f: f.case(at="2026-11-22T09:29:15Z"),
        "decided-later",
    ),
    "M-12 decided at no time": (
        payload("m-12", b'"decided_at":"2026-11-22T09:30', b'"decided_at":"2026-11-32T09:30'),
        "decided-when",
    ),
    "M-14 root swapped": (lambda f: stamped(f, roots=[issue("root")]), "timestamp-chain"),
    "M-14 another root of the same name": (
        lambda f: stamped(f, roots=[issue("root"), f.authority.middle]),
        "timestamp-chain",
    ),
    "M-14 intermediate missing": (
        lambda f: stamped(f, roots=[f.authority.root]),
        "timestamp-chain",
    ),
    "M-14 intermediate expired on that day": (expired, "timestamp-chain"),
    "M-14 signer not the one that is pinned": (
        lambda f: stamped(
            f, signers=[issue("other", f.authority.middle, purposes=[Usage.TIME_STAMPING])]
        ),
        "timestamp-chain",
    ),
    "M-15 certificate for another purpose": (
        lambda f: misused(f, Usage.CODE_SIGNING),
        "timestamp-purpose",
    ),
    "M-15 certificate also for another purpose": (
        lambda f: misused(f, Usage.TIME_STAMPING, Usage.CODE_SIGNING),
        "timestamp-purpose",
    ),
    "M-15 certificate whose purpose may be ignored": (
        lambda f: misused(f, Usage.TIME_STAMPING, critical=False),
        "timestamp-purpose",
    ),
    "M-16 r and s raw": (signed(raw), "signature-encoding"),
    "M-16 an algorithm beside the signature": (
        lambda f: f.case(
            {
                **f.permit,
                "record": {
                    **f.permit["record"],
                    "signatures": [{**f.permit["record"]["signatures"][0], "alg": "none"}],
                },
            }
        ),
        "envelope-malformed",
    ),
    "M-17 r zero": (signed(parts(lambda _: 0, lambda s: s)), "signature-range"),
    "M-17 s zero": (signed(parts(lambda r: r, lambda _: 0)), "signature-range"),
    "M-17 r above the order": (signed(parts(lambda r: r + ORDER, lambda s: s)), "signature-range"),
    "M-17 s above the order": (signed(parts(lambda r: r, lambda s: s + ORDER)), "signature-range"),
    "M-17 S of Ed25519 not reduced": (
        lambda f: f.case(checkpoint=unreduced(f).encode()),
        "checkpoint-signature",
    ),
    "M-19 log entry of another statement": (
        lambda f: f.case({**f.permit, "proof": f.deny["proof"]}),
        "entry-mismatch",
    ),
    "M-19 another signature of the same key, which holds": (
        signed(parts(lambda r: r, lambda s: ORDER - s)),
        "entry-mismatch",
    ),
    "M-20 obligation removed": (
        lambda f: f.case({**f.permit, "obligations": f.permit["obligations"][1:]}),
        "answer-differs-from-record",
    ),
    "M-20 obligation removed from the record": (
        lambda f: f.case(
            f.with_envelope(
                f.permit, payload=f.envelope(f.permit).payload.replace(b"keep-record", b"")
            )
        ),
        "signature-invalid",
    ),
    "M-21 path shortened": (proof(lambda lines: lines.pop(3)), "inclusion-path"),
    "M-21 path lengthened": (proof(lambda lines: lines.insert(3, lines[3])), "inclusion-path"),
    "M-21 path reordered": (proof(swap), "inclusion-root"),
    "M-21 a hash changed": (
        proof(line(3, base64.b64encode(bytes(32)).decode())),
        "inclusion-root",
    ),
    "M-22 wrong index": (proof(line(2, "index 6")), "inclusion-root"),
    "M-22 index beyond the tree": (proof(line(2, "index 8")), "inclusion-proof"),
    "M-22 wrong tree size": (
        lambda f: f.case(
            {**f.permit, "proof": f.permit["proof"].partition("\n\n")[0] + "\n\n" + f.checkpoint}
        ),
        "inclusion-path-empty",
    ),
    "M-23 empty path in a larger tree": (
        proof(lambda lines: lines.__delitem__(slice(3, 6))),
        "inclusion-path-empty",
    ),
    "M-24 checkpoint of another log": (
        lambda f: f.case(f.of_other_log("else.example", CheckpointKey.generate("else.example"))),
        "checkpoint-origin",
    ),
    "M-24 same origin, other key": (
        lambda f: f.case(
            f.of_other_log("ledger.example/test", CheckpointKey.generate("ledger.example/test"))
        ),
        "checkpoint-key-unknown",
    ),
    "M-24 after the key of the log ended": (
        lambda f: f.case(trust=replaced(f, f.world.ledger.size - 1)),
        "checkpoint-key-period",
    ),
    "M-24 one proof after the key of the log ended": (
        lambda f: Case(bare(f.later), replaced(f, 7)),
        "checkpoint-key-period",
    ),
    "M-25 checkpoint without origin": (
        checkpoint(lambda text: text.partition("\n")[2]),
        "checkpoint-malformed",
    ),
    "M-25 checkpoint without size": (
        checkpoint(lambda text: re.sub(r"\n\d+\n", "\n", text, count=1)),
        "checkpoint-malformed",
    ),
    "M-25 checkpoint without root": (
        checkpoint(lambda text: text.replace("\n" + text.split("\n")[2], "")),
        "checkpoint-malformed",
    ),
    "M-25 extra line": (
        checkpoint(lambda text: text.replace("\n\n", "\nmore\n\n")),
        "checkpoint-signature",
    ),
    "M-25 CRLF": (checkpoint(lambda text: text.replace("\n", "\r\n")), "checkpoint-malformed"),
    "M-25 no final newline": (checkpoint(lambda text: text[:-1]), "checkpoint-malformed"),
    "M-25 proof with CRLF, which JSON of ours never holds": (
        lambda f: Case(bare(with_crlf(f.later)), f.trust()),
        "answer-malformed",
    ),
    "M-26 leading zero in the size": (
        checkpoint(lambda text: re.sub(r"\n(\d+)\n", r"\n0\1\n", text, count=1)),
        "checkpoint-malformed",
    ),
    "M-26 root of wrong length": (
        checkpoint(lambda text: text.replace(text.split("\n")[2], "AAAA")),
        "checkpoint-malformed",
    ),
    "M-26 root without padding": (
        checkpoint(lambda text: text.replace(text.split("\n")[2], text.split("\n")[2][:-1])),
        "checkpoint-malformed",
    ),
    "M-26 root with white space": (
        checkpoint(lambda text: text.replace(text.split("\n")[2], text.split("\n")[2] + " ")),
        "checkpoint-malformed",
    ),
    "M-26 hash without padding": (
        proof(lambda lines: lines.__setitem__(3, lines[3][:-1])),
        "proof-malformed",
    ),
    "M-27 older than one that was seen": (
        lambda f: f.case(seen=(larger(f),)),
        "checkpoint-rollback",
    ),
    "M-28 another root for a size that was seen": (
        lambda f: f.case(seen=(forked(f),)),
        "checkpoint-fork",
    ),
    "M-28 seen in another history, when smaller": (
        lambda f: f.case(f.permit, seen=(f.other_history()[1],)),
        "consistency-root",
    ),
    "M-29 consistency proof empty": (lambda f: path_of(f, []), "consistency-path"),
    "M-29 consistency proof reordered": (
        lambda f: path_of(f, [*next(iter(f.paths(f.permit).values()))][::-1]),
        "consistency-root",
    ),
    "M-29 consistency proof from size 0": (lambda f: consistency(f, 0, 8), "consistency-sizes"),
    "M-29 consistency proof with sizes swapped": (
        lambda f: consistency(f, 8, 1),
        "consistency-sizes",
    ),
    "M-30 too few witnesses": (lambda f: f.cosigned(f.witnesses[0]), "witness-quorum"),
    "M-30 too few groups of witnesses": (
        lambda f: replace(f.cosigned(*f.witnesses[:2]), trust=grouped(f, 2)),
        "witness-quorum",
    ),
    "M-30 a damaged line of a witness in a group": (
        lambda f: f.case(
            {**f.permit, "proof": f.permit["proof"] + f.witnesses[0].line(forked(f))},
            trust=grouped(f, 1),
        ),
        "cosignature",
    ),
    "M-30 one witness twice": (
        lambda f: f.cosigned(f.witnesses[0], f.witnesses[0]),
        "witness-quorum",
    ),
    "M-30 an unknown witness": (
        lambda f: f.cosigned(f.witnesses[0], f.witnesses[2]),
        "witness-quorum",
    ),
    "M-30 cosignature of another checkpoint": (
        lambda f: f.case(
            trust=f.witnessed(0),
            checkpoint=(f.checkpoint + f.witnesses[0].line(forked(f))).encode(),
        ),
        "cosignature",
    ),
    "M-37 a name that leaves the folder": (
        archived(("../evidence.json", EMPTY)),
        "evidence-path",
    ),
    "M-37 a name from the root": (archived(("/evidence.json", EMPTY)), "evidence-path"),
    "M-37 a name of Windows": (archived(("decisions\\1.json", EMPTY)), "evidence-path"),
    "M-37 a link": (archived(("checkpoint", b"/etc/passwd"), kind=stat.S_IFLNK), "evidence-path"),
    "M-37 two files of one name": (
        archived(("documents/a", b"1"), ("documents/A", b"2")),
        "evidence-twice",
    ),
    "M-37 a decision that is not listed": (
        lambda f: Case(
            f.files(lambda files: files.update({"decisions/9.json": bare(f.later)})), f.trust()
        ),
        "evidence-incomplete",
    ),
    "M-37 a listed decision that is not there": (
        lambda f: Case(f.files(lambda files: files.pop("decisions/2.json")), f.trust()),
        "evidence-incomplete",
    ),
    "M-37 a decision listed under another id": (
        lambda f: Case(
            f.files(
                lambda files: files.update(
                    {
                        "decisions/1.json": files["decisions/2.json"],
                        "decisions/2.json": files["decisions/1.json"],
                    }
                )
            ),
            f.trust(),
        ),
        "decision-mismatch",
    ),
    "M-37 no archive": (lambda f: Case(b"PK\x03\x04" + bytes(99), f.trust()), "evidence-malformed"),
    "M-37 an archive cut short": (
        lambda f: Case(f.evidence()[:-100], f.trust()),
        "evidence-malformed",
    ),
    "M-37 an empty list": (archived(("evidence.json", EMPTY)), "evidence-malformed"),
    "M-38 unpacks to much more": (
        archived(("documents/zeros", bytes(8 * 1024 * 1024))),
        "evidence-too-large",
    ),
    "M-38 too many files": (
        archived(*((f"documents/{n}", b"") for n in range(1001))),
        "evidence-too-large",
    ),
    "M-38 100,000 levels of JSON": (
        lambda f: Case(b'{"record":' * 100_000, f.trust()),
        "answer-malformed",
    ),
    "M-40 not the decision that was asked for": (
        lambda f: f.case(expect=f.later["id"]),
        "decision-absent",
    ),
    "no statement of ours": (
        payload("other", b"decision/v1", b"decision/v9"),
        "statement-malformed",
    ),
    "no timestamp where there must be one": (
        lambda f: f.case(
            trust=f.trust(timestamps={"roots": [f.authority.root.pem], "required": True})
        ),
        "timestamp",
    ),
    "timestamp with one bit changed": (
        lambda f: stamped(f, flip(f.authority.stamp(f.checkpoint.encode()))),
        "timestamp",
    ),
    "timestamp over other bytes": (
        lambda f: stamped(f, f.authority.stamp(f.permit["proof"].encode())),
        "timestamp-imprint",
    ),
    "timestamp under another policy": (
        lambda f: stamped(f, policy="1.2.3.4"),
        "timestamp-policy",
    ),
}


CANNOT_TELL: dict[str, Mutation] = {
    **statements.CANNOT_TELL,
    "a decision that was erased": (lambda f: Case(f.tombstone(), f.trust()), "erased"),
    "a decision that was erased, where rules are listed": (
        lambda f: Case(
            f.tombstone(),
            f.trust(rules=[{"digest": "sha256:" + "0" * 64, "from": "2026-01-01T00:00:00Z"}]),
        ),
        "erased",
    ),
    "M-16 a log key of another algorithm": (
        lambda f: f.case(trust=f.trust(log_key(bytes(33), b"\x02"))),
        "trust-key-refused",
    ),
    "M-18 Ed25519 key of small order": (
        lambda f: f.case(trust=f.trust(log_key((1).to_bytes(32, "little")))),
        "trust-key-refused",
    ),
    "M-18 Ed25519 key not written canonically": (
        lambda f: f.case(trust=f.trust(log_key((2**255 - 10).to_bytes(32, "little")))),
        "trust-key-refused",
    ),
    "M-39 trust file empty": (lambda f: Case(f.evidence(), b""), "trust-empty"),
    "M-39 trust in no key": (
        lambda f: f.case(trust=f.trust(lambda t: t["decision_keys"].clear())),
        "trust-empty",
    ),
    "M-39 trust file with two keys of one id": (
        lambda f: f.case(trust=f.trust(other_key_same_id)),
        "trust-key-twice",
    ),
    "M-39 a key of a log twice": (
        lambda f: Case(f.evidence(), f.trust(further_logs=[json.loads(f.trust())["log"]])),
        "trust-key-twice",
    ),
    "M-39 a key of a log that ended at no size": (
        lambda f: Case(bare(f.permit), replaced(f, -1)),
        "trust-malformed",
    ),
    "trust file of another format": (lambda f: Case(f.evidence(), b"{}"), "trust-malformed"),
    "nothing shows how two trees belong together": (
        lambda f: f.case(paths={}),
        "consistency-missing",
    ),
    "a timestamp that nobody was told to trust": (
        lambda f: f.case(timestamp=f.authority.stamp(f.checkpoint.encode()), at=LATER),
        "timestamp-untrusted",
    ),
    "judged at no time": (lambda f: f.case(at="yesterday"), "usage"),
    "judged at a time without a zone": (lambda f: f.case(at="2026-11-22T10:00:00"), "usage"),
}

GOOD: dict[str, Callable[[Fresh], Case]] = {
    **statements.GOOD,
    "as it was exported": lambda f: f.case(),
    "one answer alone": lambda f: Case(bare(f.permit), f.trust()),
    "the decision that was asked for, of its request": lambda f: f.case(
        expect=f.permit["id"],
        request=question(resource__id="far", context__transfer__tool="clauses"),
    ),
    "M-13 judged at the same instant in another zone": lambda f: f.case(
        at="2026-11-22T10:30:15.250+01:00"
    ),
    "M-13 the time of the answer in another zone": lambda f: f.case(
        {**f.permit, "decided_at": "2026-11-22T10:30:15.250+01:00"}
    ),
    "M-20 reasons in another order": lambda f: f.case(
        {**f.deny, "reasons": f.deny["reasons"][::-1]}
    ),
    "at the size at which the key of the log ended": lambda f: f.case(
        trust=replaced(f, f.world.ledger.size)
    ),
    "cosigned by one of two groups": lambda f: replace(
        f.cosigned(*f.witnesses[:2]), trust=grouped(f, 1)
    ),
    "cosigned by both groups": lambda f: replace(f.cosigned(*f.witnesses), trust=grouped(f, 2)),
    "cosigned by two witnesses, and by another": lambda f: f.cosigned(*f.witnesses),
    "while the key and the rules counted": lambda f: f.case(
        trust=f.trust(
            lambda t: t["decision_keys"][0].update(
                {"from": "2026-11-22T09:30:15.250Z", "until": "2026-11-22T09:30:15.251Z"}
            ),
            rules=[{"digest": f.permit["bundle"], "from": "2026-11-22T00:00:00+01:00"}],
        )
    ),
    "stamped": lambda f: stamped(f),
    "stamped by one that is pinned, under its policy": lambda f: stamped(
        f, signers=[f.authority.signer], policy="1.3.6.1.4.1.57264.2", required=True
    ),
    "stamped without its certificate, which is pinned": lambda f: stamped(
        f,
        f.authority.stamp(f.checkpoint.encode(), certificates=False),
        signers=[f.authority.signer],
    ),
    "an older checkpoint was seen before": lambda f: f.case(
        f.permit, seen=(f.permit["proof"].split("\n\n", 1)[1],)
    ),
    "years later": lambda f: f.case(at="2066-11-22T10:00:00Z"),
}

# What a record of this version cannot hold, so that no evidence can be made to break it.
NOT_YET = {
    "M-31": "no attestation is in a record of version 1: its member `evidence` is empty",
    "M-32": "as M-31",
    "M-33": "as M-31",
    "M-34": "as M-31",
    "M-35": "as M-31",
    "M-36": "as M-31",
}

__all__ = ["AT", "BAD", "CANNOT_TELL", "GOOD", "NOT_YET", "Mutation"]
