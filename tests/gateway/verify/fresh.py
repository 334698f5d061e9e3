"""Fresh evidence of a real service, to be damaged: decisions, checkpoint, witnesses, time."""

import base64
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.erasure import Grounds, erase, tombstone
from gateway.keys import CheckpointKey, DecisionKey
from gateway.ledger.cosignature import WitnessPublicKey, cosigned_message
from gateway.ledger.erased import ErasedEntryError
from gateway.ledger.log import Log
from gateway.ledger.note import parse_note
from gateway.record.envelope import (
    Envelope,
    EnvelopeSignature,
    pre_authentication_encoding,
    read_envelope,
    sign_envelope,
)
from gateway.record.statement import PAYLOAD_TYPE
from gateway.verify.archive import write_archive
from gateway.verify.evidence import Evidence, write_evidence
from tests.gateway.verify.tsa import Authority
from tests.gateway.world import NOW, World

AT = "2026-11-22T10:00:00Z"
COSIGNED = 1_795_340_000
Answer = dict[str, Any]


class Witness:
    """A witness of C2SP tlog-cosignature, with a key of its own."""

    def __init__(self, name: str) -> None:
        self._key = Ed25519PrivateKey.generate()
        self.public = WitnessPublicKey.of(name, self._key.public_key().public_bytes_raw())

    def line(self, note: str, time: int = COSIGNED) -> str:
        text = parse_note(note.encode()).text
        signed = time.to_bytes(8, "big") + self._key.sign(cosigned_message(time, text))
        data = base64.b64encode(bytes.fromhex(self.public.key_id) + signed).decode()
        return f"\u2014 {self.public.name} {data}\n"


@dataclass(frozen=True)
class Case:
    """What is put to the verifier."""

    bundle: bytes
    trust: bytes
    at: str = AT
    expect: str | None = None
    request: Any = None
    seen: tuple[str, ...] = ()


@dataclass(frozen=True)
class Fresh:
    """A service, three of its answers, and all that was ever signed over them."""

    world: World
    folder: Path
    permit: Answer
    deny: Answer
    later: Answer
    authority: Authority
    second: DecisionKey
    witnesses: tuple[Witness, Witness, Witness]

    @staticmethod
    def make(folder: Path) -> "Fresh":
        world = World(folder / "world")
        clauses: Any = {"resource__id": "far", "context__transfer__tool": "clauses"}
        permit = world.decide(**clauses)
        deny = world.decide(resource__id="far", context__transfer__age=366)
        for _ in range(5):
            world.decide()
        later = world.decide(resource__id="closed")
        return Fresh(
            world,
            folder,
            permit,
            deny,
            later,
            Authority.make(folder / "tsa"),
            DecisionKey.generate(),
            (Witness("one.example"), Witness("two.example"), Witness("three.example")),
        )

    # --- what is trusted -------------------------------------------------------------

    def trust(self, change: Callable[[Answer], object] | None = None, **members: Any) -> bytes:
        """The trust file, of version 2 with more members, changed."""
        value: Any = json.loads(json.dumps(self.world.trust.to_json()))
        if members:
            value = {**value, "format": "charter-trust/v2", **members}
        if change is not None:
            change(value)
        return json.dumps(value).encode()

    def witnessed(self, quorum: int) -> bytes:
        """Trust in the first two witnesses."""
        vkeys = [one.public.vkey for one in self.witnesses[:2]]
        return self.trust(witnesses={"quorum": quorum, "vkeys": vkeys})

    # --- what was erased ---

    def tombstone(self, change: Callable[[Answer], object] | None = None) -> bytes:
        """What a gateway answers in place of a decision that it has erased, changed."""
        asked = self.world.decide()
        ledger = self.world.ledger
        grounds = Grounds("asked for by the person", "GDPR art 17(1)(b)", "officer-1")
        erase(ledger, self.world.decision_key, entry=asked["id"], grounds=grounds, now=NOW)
        try:
            ledger.get(asked["id"])
        except ErasedEntryError as erased:
            value = dict(tombstone(ledger, erased))
        else:
            raise AssertionError("it is not erased")
        if change is not None:
            change(value)
        return json.dumps(value).encode()

    # --- what is exported ------------------------------------------------------------

    @property
    def checkpoint(self) -> str:
        return self.world.ledger.latest_checkpoint()

    def paths(self, *answers: Answer) -> dict[tuple[int, int], tuple[bytes, ...]]:
        """How the trees of proofs grew into the newest one."""
        newest = self.world.ledger.size
        sizes = {int(one["proof"].split("\n\n")[1].split("\n")[1]) for one in answers}
        consistency = self.world.ledger.consistency
        return {(one, newest): tuple(consistency(one, newest)) for one in sizes if one < newest}

    def evidence(self, *answers: Answer, **parts: Any) -> bytes:
        """An archive of answers, with the newest checkpoint and how it follows."""
        given = answers or (self.permit, self.deny)
        standard: Any = {"checkpoint": self.checkpoint.encode(), "paths": self.paths(*given)}
        ids: dict[str | None, Any] = {one["id"]: one for one in given}
        return write_evidence(Evidence(ids, **{**standard, **parts}))

    def case(self, *answers: Answer, trust: bytes | None = None, **more: Any) -> Case:
        """Good trust, and an archive of answers or the two usual ones."""
        parts = {
            name: more.pop(name) for name in ("checkpoint", "paths", "timestamp") if name in more
        }
        return Case(self.evidence(*answers, **parts), trust or self.trust(), **more)

    def files(self, change: Callable[[dict[str, bytes]], object]) -> bytes:
        """The archive with its files changed."""
        from gateway.verify.archive import read_archive

        files = dict(read_archive(self.evidence()))
        change(files)
        return write_archive(files)

    # --- what is signed again --------------------------------------------------------

    @staticmethod
    def envelope(answer: Answer) -> Envelope:
        return read_envelope(answer["record"])

    def logged(self, envelope: Envelope, name: str, log: Log | None = None) -> Answer:
        """An envelope in the log under another name: a bare record with its proof."""
        receipt = (log or self.world.ledger).append(name, "clinic-a", envelope.to_bytes())
        payload: Any = json.loads(envelope.payload)
        return {
            "id": payload["predicate"]["id"],
            "record": envelope.to_json(),
            "proof": receipt.result(timeout=30).proof_text,
        }

    def resigned(self, name: str, change: Callable[[bytes], bytes]) -> Answer:
        """Another payload that the gateway itself signed and logged: it went wrong inside."""
        payload = change(self.envelope(self.permit).payload)
        assert payload != self.envelope(self.permit).payload
        made = sign_envelope(payload, PAYLOAD_TYPE, self.world.decision_key)
        receipt = self.world.ledger.append(name, "clinic-a", made.to_bytes()).result(timeout=30)
        return {"record": made.to_json(), "proof": receipt.proof_text}

    def line(self, key: DecisionKey, key_id: str | None = None) -> EnvelopeSignature:
        """A signature of the first answer."""
        envelope = self.envelope(self.permit)
        message = pre_authentication_encoding(envelope.payload_type, envelope.payload)
        return EnvelopeSignature(key_id or key.key_id, key.sign(message))

    def with_envelope(self, answer: Answer, **parts: Any) -> Answer:
        return {**answer, "record": replace(self.envelope(answer), **parts).to_json()}

    def with_signature(self, change: Callable[[bytes], bytes]) -> Answer:
        (line,) = self.envelope(self.permit).signatures
        lines = (replace(line, signature=change(line.signature)),)
        return self.with_envelope(self.permit, signatures=lines)

    def cosigned(self, *witnesses: Witness) -> Case:
        """All checkpoints cosigned by these; two of two must have."""
        answer = self.permit
        proof = answer["proof"]
        lines = "".join(one.line(proof.split("\n\n", 1)[1]) for one in witnesses)
        newest = self.checkpoint + "".join(one.line(self.checkpoint) for one in witnesses)
        return self.case(
            {**answer, "proof": proof + lines}, trust=self.witnessed(2), checkpoint=newest.encode()
        )

    def other_history(self) -> tuple[str, str]:
        """Checkpoints of another history of the same log, as large and smaller."""
        key = self.world.checkpoint_key
        place = self.folder / f"fork-{secrets.token_hex(8)}"
        with Log.open(place, origin=key.public.name, signer=key, clock=lambda: NOW) as log:
            smaller = ""
            for number in range(self.world.ledger.size):
                log.append(f"fork-{number}", "clinic-a", b"{}").result(timeout=30)
                smaller = smaller or log.latest_checkpoint()
            return log.latest_checkpoint(), smaller

    def of_other_log(self, origin: str, key: CheckpointKey) -> Answer:
        """The first record in a log of another name or key."""
        place = self.folder / f"log-{key.key_id}"
        with Log.open(place, origin=origin, signer=key, clock=lambda: NOW) as log:
            return {**self.logged(self.envelope(self.permit), "x", log), "id": self.permit["id"]}


def lines_changed(answer: Answer, change: Callable[[list[str]], object]) -> Answer:
    """The lines of a proof changed: 0 header, 1 extra, 2 index, then hashes."""
    lines = answer["proof"].split("\n")
    change(lines)
    return {**answer, "proof": "\n".join(lines)}


def bare(answer: Answer) -> bytes:
    """One answer as a file of its own, which may be no good JSON of ours."""
    return json.dumps(answer).encode()


def flip(data: bytes, position: int = -1) -> bytes:
    damaged = bytearray(data)
    damaged[position] ^= 1
    return bytes(damaged)
