"""One key takes the place of another, while no gateway runs: it takes the lock of the log.

A decision key counts up to an instant, and the next one from there on. A checkpoint key signs
alongside the next one, until it is ended at a size of the log. Each change is an entry of the
log, signed by the decision key; of a new decision key, by the old one and by the new one. The
checkpoint over the entry of a new checkpoint key has the lines of the old key and of the new.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, cast

from gateway import published
from gateway.identifiers import uuid7
from gateway.keys import CheckpointPublicKey, CheckpointSigner, DecisionSigner
from gateway.keys.custody import (
    BEFORE_FILE,
    CHECKPOINT_FILE,
    DECISION_FILE,
    IN_FILE,
    RECEIPT_FILE,
    checkpoint_key,
    close,
)
from gateway.keys.errors import RotationError
from gateway.keys.overlap import Overlap, alongside
from gateway.ledger.log import Log
from gateway.new_keys import (
    find_log_keys,
    new_checkpoint_key,
    new_decision_key,
    new_receipt_key,
)
from gateway.own_keys import own_checkpoint_key, own_decision_key
from gateway.published import Published
from gateway.record.canonical import Json
from gateway.record.envelope import EnvelopeSignature, parse_envelope, pre_authentication_encoding
from gateway.rotation_ground import Given, instant, known, locked_ledger
from gateway.rotation_plan import NEXT, Plan, begin, begun, finish
from gateway.self_check import own_record
from gateway.state import origin_of

Purpose = Literal["decision", "checkpoint", "receipt"]
ROTATED, RETIRED = "key-rotation", "key-retirement"
# How long the old key counts beside the new one: the entry of the change is signed by both.
_BOTH = timedelta(seconds=1)


def rotate(
    given: Given, purpose: Purpose, *, to: str = IN_FILE, lost: bool = False
) -> Mapping[str, Any]:
    """Have a new key take the place of the one there is, or finish what was begun.

    Args:
        to: `file`, or the URI of a key that is in a token already.
        lost: The old one cannot sign any more.

    Returns:
        What was done, as the log has it; `kept` is the file of the old key, if it is in one.

    Raises:
        RotationError: It cannot be done; what was in use still is.
        ConfigurationError: A key, the folder or the log cannot be used.
    """
    plan = begun(given.folder)
    if plan is not None:
        return _go_on(given, plan)
    origin, told = known(given)
    if purpose == "decision":
        return _rotate_decision(given, origin, told, to, lost)
    if purpose == "receipt":
        return _rotate_receipt(given, origin, told, to, lost)
    return _rotate_checkpoint(given, origin, told, to, lost)


def retire(given: Given) -> Mapping[str, Any]:
    """End the checkpoint key that signs alongside another; as `rotate`."""
    plan = begun(given.folder)
    if plan is not None:
        return _go_on(given, plan)
    origin, told = known(given)
    if told.ending is None:
        raise RotationError(f"{given.folder}: no key signs the log alongside another")
    decision = own_decision_key(given.folder, given.custody, told)
    opened: list[object] = [decision]
    try:
        log_key = checkpoint_key(given.custody, given.folder, name=origin)
        opened.append(log_key)
        with locked_ledger(given, log_key, told.earlier) as ledger:
            said: dict[str, Json] = {
                "purpose": "checkpoint",
                "old": told.ending.vkey,
                "new": told.log_key.vkey,
                "last_size": ledger.size,
            }
            document = published.with_end(told.document, told.ending, ledger.size)
            moves = _moves(given.custody.before, BEFORE_FILE, f"retired-{told.ending.key_id}.key")
            return _do(given, ledger, RETIRED, said, [decision], log_key, document, moves)
    finally:
        close(*opened)


def _rotate_decision(
    given: Given, origin: str, told: Published, to: str, lost: bool
) -> Mapping[str, Any]:
    opened: list[object] = []
    try:
        old = None if lost else own_decision_key(given.folder, given.custody, told)
        new = new_decision_key(given.custody, given.folder, to)
        log_key = own_checkpoint_key(given.folder, given.custody, origin, told)
        opened += [old, new, *alongside(log_key)]
        if new.key_id in told.ends:
            raise RotationError(f"key {new.key_id} was in use before: make another one")
        ends = [one for one in told.ends if told.counts(one, given.clock())]
        ended = ends if old is None else [old.key_id]
        with locked_ledger(given, log_key, told.earlier) as ledger:
            said: dict[str, Json] = {
                "purpose": "decision",
                "old": ended[0] if ended else None,
                "new": new.key_id,
                "public": new.public.pem,
                "lost": lost,
            }
            at = instant(given, ledger)
            until = _text(at + _BOTH)
            document = published.with_decision_key(
                told.document, new.public, ended, at=_text(at), until=until
            )
            moves = [
                *_moves(given.custody.decision, DECISION_FILE, f"retired-{said['old']}.key"),
                *_moves(to, DECISION_FILE + NEXT, DECISION_FILE),
            ]
            signers = [new] if old is None else [old, new]
            return _do(
                given, ledger, ROTATED, said, signers, log_key, document, moves, new.public.pem, at
            )
    finally:
        close(*opened)


def _rotate_receipt(
    given: Given, origin: str, told: Published, to: str, lost: bool
) -> Mapping[str, Any]:
    """The old one has nothing to sign here: the entry is signed by the decision key."""
    opened: list[object] = []
    try:
        decision = own_decision_key(given.folder, given.custody, told)
        opened.append(decision)
        log_key = own_checkpoint_key(given.folder, given.custody, origin, told)
        opened += alongside(log_key)
        new = new_receipt_key(given.custody, given.folder, to)
        opened.append(new)
        listed = cast("list[Mapping[str, str]]", told.document.get("receipt_keys", []))
        if new.key_id in {*told.ends, *(one["keyid"] for one in listed)}:
            raise RotationError(f"key {new.key_id} was in use before: make another one")
        signs = [one["keyid"] for one in listed if "until" not in one]
        with locked_ledger(given, log_key, told.earlier) as ledger:
            said: dict[str, Json] = {
                "purpose": "receipt",
                "old": signs[0] if signs else None,
                "new": new.key_id,
                "public": new.public.pem,
                "lost": lost,
            }
            at = instant(given, ledger)
            document = published.with_receipt_key(
                told.document, new.public, origin, at.replace(microsecond=0)
            )
            kept = f"retired-{said['old'] or 'receipt'}.key"
            moves = [
                *_moves(given.custody.receipt, RECEIPT_FILE, kept),
                *_moves(to, RECEIPT_FILE + NEXT, RECEIPT_FILE),
            ]
            return _do(given, ledger, ROTATED, said, [decision], log_key, document, moves, at=at)
    finally:
        close(*opened)


def _rotate_checkpoint(
    given: Given, origin: str, told: Published, to: str, lost: bool
) -> Mapping[str, Any]:
    if told.ending is not None:
        raise RotationError(
            "two keys sign the log already: end the old one first by `charter keys retire`"
        )
    opened: list[object] = []
    try:
        decision = own_decision_key(given.folder, given.custody, told)
        opened.append(decision)
        old = None if lost else own_checkpoint_key(given.folder, given.custody, origin, told)
        opened.append(old)
        new = new_checkpoint_key(given.custody, given.folder, to, name=origin)
        opened.append(new)
        if new.public in (told.log_key, *told.earlier):
            raise RotationError(f"key {new.public.vkey} was in use before: make another one")
        signer = new if old is None else Overlap(new, old)
        with locked_ledger(given, signer, (told.log_key, *told.earlier)) as ledger:
            said: dict[str, Json] = {
                "purpose": "checkpoint",
                "old": told.log_key.vkey,
                "new": new.public.vkey,
                "lost": lost,
            }
            document = published.with_log_key(told.document, new.public)
            kept = BEFORE_FILE
            if lost:
                document = published.with_end(document, told.log_key, ledger.size)
                kept = f"retired-{told.log_key.key_id}.key"
            moves = [
                *_moves(given.custody.checkpoint, CHECKPOINT_FILE, kept),
                *_moves(to, CHECKPOINT_FILE + NEXT, CHECKPOINT_FILE),
            ]
            return _do(given, ledger, ROTATED, said, [decision], signer, document, moves)
    finally:
        close(*opened)


# --- steps ---------------------------------------------------------------------------


def _do(
    given: Given,
    ledger: Log,
    action: str,
    said: dict[str, Json],
    signers: Sequence[DecisionSigner],
    log_key: CheckpointSigner,
    document: Mapping[str, object],
    moves: Sequence[tuple[str, str]],
    pem: str | None = None,
    at: datetime | None = None,
) -> Mapping[str, Any]:
    at = at or instant(given, ledger)
    entry_id = uuid7(at, given.random)
    envelope = parse_envelope(own_record(entry_id, at, action, {"keys": said}, signers[0]))
    message = pre_authentication_encoding(envelope.payload_type, envelope.payload)
    more = [EnvelopeSignature(one.key_id, one.sign(message)) for one in signers[1:]]
    body = replace(envelope, signatures=(*envelope.signatures, *more)).to_bytes()
    kept = [new for old, new in moves if not old.endswith(NEXT)]
    plan = Plan(
        {**said, "id": entry_id, "kept": kept[0] if kept else None},
        entry_id,
        base64.b64encode(body).decode(),
        [one.public.vkey for one in alongside(log_key)],
        document,
        pem,
        tuple(moves),
    )
    begin(given.folder, plan)
    finish(given.folder, plan, ledger)
    return plan.said


def _go_on(given: Given, plan: Plan) -> Mapping[str, Any]:
    """Finish what was begun; keys of the log can have moved meanwhile."""
    told = published.read(given.folder)
    origin = origin_of(given.folder)
    if told is None or origin is None:
        raise RotationError(f"{given.folder} is no state folder with a trust.json any more")
    wanted = [CheckpointPublicKey.from_vkey(one) for one in plan.signers]
    found = find_log_keys(given.custody, given.folder, origin, wanted)
    signer = found[0] if len(found) == 1 else Overlap(*found)
    try:
        with locked_ledger(given, signer, (told.log_key, *told.earlier)) as ledger:
            finish(given.folder, plan, ledger)
        return plan.said
    finally:
        close(*found)


def _moves(place: str, old: str, new: str) -> tuple[tuple[str, str], ...]:
    return ((old, new),) if place == IN_FILE else ()


def _text(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
