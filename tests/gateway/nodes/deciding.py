"""A gateway in memory whose rules ask what machines have proved."""

import json
from collections.abc import Mapping
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

from dsl.compile import compile_charters
from dsl.core import Program
from dsl.source import SourceText
from gateway import bundle
from gateway.callers import Caller
from gateway.in_force import InForce
from gateway.nodes.desk import Desk
from gateway.nodes.store import FILE
from gateway.nodes.terms import Terms
from gateway.pdp import catalogue
from gateway.pdp.engine import Engine
from gateway.pdp.engine_reference import ReferenceEngine
from tests.gateway.nodes import machines
from tests.gateway.nodes.machines import NOW, SITE, Counter, Machine
from tests.gateway.world import CALLER, World, run

ELSEWHERE = "scaleway/fr-par"
LAW = """\
charter test.nodes
  title "A law for tests"
  law LEX "Regulation (EU) 2000/1" celex 32000R0001
  time zone Europe/Brussels
  as of 2026-11-22
import vocabulary.places
import vocabulary.workload
import vocabulary.attestation

rule anywhere "Everything is permitted that nothing forbids"
  cites LEX art 1
  on place, flow
  permit

rule measured "Personal data runs on machines that started what they should"
  cites LEX art 2
  on place, flow
  when data.labels has personal
  require attestation.trust[executables] = affirming and attestation.place at least enrolled
  because "The law says so."
  remedy "Choose another machine."

rule lately "Data moves to machines that have just shown what they are"
  cites LEX art 3
  on flow
  when data.labels has personal
  require attestation.freshness = challenged and attestation.age at most 30 minutes
  because "The law says so."
  remedy "Ask the machine again."
"""
QUESTION: dict[str, Any] = {
    "subject": {"type": "workload", "id": "w-1"},
    "action": {"name": "place"},
    "resource": {"type": "site", "id": SITE},
    "context": {"data": {"labels": ["health"]}, "attestation": {"node": "n1"}},
}
OWN = Machine()
BAD = OWN.with_pcr(machines.GOOD_PCR, b"\xee" * 32)
CLINIC_B = Caller("caller-2", "clinic-b")


@cache
def made() -> bundle.Bundle:
    sources = bundle.with_imports([SourceText("law.charter", LAW)])
    return bundle.build(compile_charters(sources), {})


def program() -> Program:
    return made().program


@cache
def sites() -> catalogue.Catalogue:
    return catalogue.load(bundle.PACK / "fixtures" / "sites.toml", program())


def question(**changes: Any) -> dict[str, Any]:
    """The usual question with other members; `attestation` of its context by that name."""
    asked = json.loads(json.dumps(QUESTION))
    if "attestation" in changes:
        asked["context"]["attestation"] = changes.pop("attestation")
    if "site" in changes:
        asked["resource"]["id"] = changes.pop("site")
    if "labels" in changes:
        asked["context"]["data"]["labels"] = changes.pop("labels")
    return {**asked, **changes}


def flow(**changes: Any) -> dict[str, Any]:
    asked = question(**changes, action={"name": "flow"})
    asked["context"]["origin"] = {"type": "site", "id": ELSEWHERE}
    return asked


class Gateway(World):
    """A world with a desk; `counter` is the same desk as its usual caller sees it."""

    def __init__(
        self,
        folder: Path,
        *rows: str,
        takes_evidence: bool = True,
        engines: list[Engine] | None = None,
        terms: Terms | None = None,
    ) -> None:
        known = terms or machines.terms(folder, *rows)
        super().__init__(
            folder,
            now=NOW,
            in_force=InForce(
                made(),
                sites(),
                engines or [ReferenceEngine(program())],
                attestation=known if takes_evidence else None,
            ),
        )
        self.desk = Desk(folder / FILE)
        self.service.desk = self.desk if takes_evidence else None
        self.counter = Counter(self.desk, known, caller=CALLER.id)

    def ask(self, asked: Mapping[str, Any], caller: Caller = CALLER) -> dict[str, Any]:
        return run(self.service.decide(json.dumps(asked).encode(), caller))

    def outcome(self, asked: Mapping[str, Any], caller: Caller = CALLER) -> str:
        return str(self.ask(asked, caller)["decision"])

    def later(self, by: timedelta) -> None:
        self.clock.now += by
        self.counter.later(by)

    def shows(self, machine: Machine, *, answers: bool = True) -> dict[str, Any]:
        """What a question has of a machine that shows evidence with it."""
        if not answers:
            return {"node": "n1", "evidence": machine.evidence()}
        counter = Counter(
            self.desk, self.counter.terms, self.counter.now, caller=CALLER.id, purpose="decision"
        )
        asked = counter.ask()
        evidence = machine.evidence(asked.nonce)
        return {"node": "n1", "challenge": asked.id, "evidence": evidence}

    def __enter__(self) -> "Gateway":
        return self

    def __exit__(self, *_: object) -> None:
        self.desk.close()
        super().__exit__()


def said(answered: Mapping[str, Any]) -> dict[str, Any]:
    """What the answer says that the verifier stated."""
    (one,) = answered["sources"]
    return one


def attested_facts(answered: Mapping[str, Any]) -> dict[str, Any]:
    return {
        one["path"].removeprefix("attestation."): one["value"]
        for one in answered["facts"]
        if one["path"].startswith("attestation.")
    }
