"""A decision on a machine, with all that its record names: real evidence of a TPM made here,
judged as a gateway does, in a real record of a real log."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.attestation.anchors import Anchors, read_anchors
from gateway.attestation.policy import read_policy
from gateway.nodes.attested import Attested, instant
from gateway.nodes.facts import stated
from gateway.nodes.judged import judge
from gateway.nodes.register import read_register
from gateway.self_check import own_record
from gateway.state import open_state
from tests.gateway.attestation import tpms
from tests.gateway.attestation.pcrs import pcr_file
from tests.gateway.attestation.test_bundle import b64, document, spelled
from tests.gateway.world import Clock

AT = datetime(2026, 11, 22, 9, 30, 15, 250000, tzinfo=UTC)
NONCE = bytes(range(32))
ORIGIN = "ledger.example/again"
TENANT, NODE, SITE = "clinic-a", "n1", "far"
PROGRAM = "charter/1.2.3"
LATER = timedelta(minutes=1)  # it was decided after the evidence was shown

POLICY = """\
format = "charter-appraisal/v1"
id = "operator/strict"
owner = "security@operator.example"
source = "decision 12"
valid_from = 2026-01-01

[[technology]]
name = "tpm"
products = ["TPM"]

[[technology.reference]]
measurement = "sha256:7"
any_of = ["0707070707070707070707070707070707070707070707070707070707070707"]
source = "build 118"
valid_from = 2026-01-01
"""


def pem(key: ec.EllipticCurvePrivateKey) -> str:
    spki = PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(Encoding.PEM, spki).decode()


def anchors(key: ec.EllipticCurvePrivateKey = tpms.ECC) -> str:
    return f'''\
format = "charter-anchors/v1"
owner = "operator"

[[tpm_key]]
name = "rack 3"
source = "enrolled on 2026-05-02"
valid_from = 2026-01-01
pem = """
{pem(key)}"""
'''


def register(attesters: str = '"ANY"', more: str = "") -> str:
    return f"""\
format = "charter-nodes/v1"
owner = "operations"

[[node]]
id = "{NODE}"
site = "{SITE}"
technology = "tpm"
attesters = {attesters}
source = "inventory"
valid_from = 2026-01-01
{more}
"""


def evidence(quote: tpms.Made | None = None) -> bytes:
    made = replace(tpms.Made(), extra=NONCE) if quote is None else quote
    message = made.message()
    parts = {
        "quote": b64(message),
        "signature": b64(made.signature(message)),
        "pcrs": b64(pcr_file(made.values)),
        "ak_pem": b64(pem(tpms.ECC).encode()),
    }
    return spelled(document("tpm", parts))


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@dataclass(frozen=True)
class Machine:
    """A machine with what it is judged by."""

    evidence: bytes = field(default_factory=evidence)
    policy: str = POLICY
    anchors: str | None = field(default_factory=anchors)
    register: str = field(default_factory=register)
    nonce: bytes | None = NONCE
    at: datetime = AT
    program: str = PROGRAM

    @cached_property
    def attested(self) -> Attested:
        vouched = Anchors() if self.anchors is None else read_anchors(self.anchors.encode())
        return judge(
            self.evidence,
            node=NODE,
            purpose="standing",
            nonce=self.nonce,
            tenant=TENANT,
            at=self.at,
            policy=read_policy(self.policy.encode()),
            anchors=vouched,
            register=read_register(self.register.encode()),
            verifier=self.program,
        )

    def files(self) -> dict[str, bytes]:
        """What an auditor is given; names say nothing."""
        given = {"a": self.evidence, "b": self.policy.encode(), "c": self.register.encode()}
        return given if self.anchors is None else given | {"d": self.anchors.encode()}


Change = Callable[[dict[str, Any]], object]


def predicate(machine: Machine, change: Change | None = None) -> dict[str, Any]:
    """What a record says besides identity and time, of a permit that rests on the machine."""
    body = json.loads(json.dumps(machine.attested.body()))
    decided_at = machine.at + LATER
    source = stated(machine.attested, NODE, now=decided_at, site=SITE).body()
    said: dict[str, Any] = {
        "tenant": TENANT,
        "decision": "permit",
        "entities": [{"record": "destination", "type": "site", "id": SITE}],
        "evidence": [body],
        "facts": [],
        "sources": [json.loads(json.dumps(source))],
        "valid_until": instant(machine.at + timedelta(minutes=15)),
    }
    if change is not None:
        change(said)
    return said


@dataclass(frozen=True)
class Written:
    """Files of an auditor."""

    answer: Path
    trust: Path
    documents: Path


def write(
    folder: Path,
    machine: Machine,
    change: Change | None = None,
    documents: Mapping[str, bytes] | None = None,
) -> Written:
    """A log with the decision, and the files that show it."""
    state = open_state(folder / "state", origin=ORIGIN)
    now = machine.at + LATER
    with state.open_ledger(Clock(now)) as log:
        body = own_record("decision", now, "place", predicate(machine, change), state.decision_key)
        log.append("decision", TENANT, body).result(timeout=30)
        answer = {"record": json.loads(body), "proof": log.proof("decision")}
    (folder / "answer.json").write_text(json.dumps(answer))
    shown = folder / "documents"
    shown.mkdir()
    for name, data in (machine.files() if documents is None else documents).items():
        (shown / name).write_bytes(data)
    return Written(folder / "answer.json", folder / "state" / "trust.json", shown)
