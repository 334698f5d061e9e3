"""A small law, a small catalogue and a whole gateway in memory, to be broken on purpose.

The law is made up, so that no change of real law moves these tests. Its dates: `eea-only`
is in force from 2026-07-01, and has an exception until 2027-01-15, both in Brussels.
"""

import asyncio
import copy
import json
from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from dsl.compile import compile_charters
from dsl.core import Program
from dsl.evaluate import Answer
from dsl.facts import Question
from dsl.source import SourceText
from gateway import bundle
from gateway.callers import Caller
from gateway.in_force import InForce
from gateway.keys import CheckpointKey, DecisionKey
from gateway.ledger.log import Log
from gateway.pdp import catalogue
from gateway.pdp.engine import Engine
from gateway.pdp.engine_reference import ReferenceEngine
from gateway.service import Service
from gateway.verify import Trust, verify_decision

VOCABULARY = """\
charter test.words
  title "Words"

action place "Run a workload"
action flow  "Move data"
action sleep "Do nothing anywhere"
action purge "Remove data sets"

enumeration country "Country" of BE, DE, FR, GB, US
enumeration tool "Transfer tool" of none, clauses, rules
taxonomy label "Kinds of data"
  term public   "Published"
  term personal "Personal"
  term health   "Health"    under personal

entity site "A place"
  field countries set of country
  field tier      number of days
  field open      yes or no
  field staff     set of country or none

record destination "Where to" is site from catalogue at resource on place, flow
record origin "Where from" is site from catalogue at context.origin on flow
record workload "Who" from request at subject.properties
  field tenant identifier
record data "What" from request at context.data
  field labels   set of label
  field datasets set of identifier or none
record transfer "How" from request at context.transfer
  field tool      tool
  field age       number of days
  field encrypted yes or no

zone EEA "The area" member BE, DE, FR

obligation keep-record "Keep a record"
obligation tell-owner  "Tell the owner"
"""

LAW = """\
charter test.law
  title "A law for tests"
  law LEX "Regulation (EU) 2000/1" celex 32000R0001
  time zone Europe/Brussels
  as of 2026-11-22
import test.words

rule eea-only "Personal data stays in the area"
  cites LEX art 1
  in force from 2026-07-01
  on place, flow
  when data.labels has personal
  require destination.countries within EEA
  except tools "A tool covers it"
    cites LEX art 2
    in force until 2027-01-15
    when transfer.tool in {clauses, rules}
    oblige keep-record
    oblige tell-owner within 30 days
  because "The law says so."
  remedy "Choose a site in the area."
  remedy "Use clauses."
  example "health data to the US without a tool" is denied
    data.labels = {health}
    destination = far
    transfer.tool = none
  example "the same with clauses" is permitted with keep-record, tell-owner
    data.labels = {health}
    destination = far
    transfer.tool = clauses
    transfer.age = 10 days

rule fresh "Assessments are fresh"
  cites LEX art 3
  on place
  forbid
  when transfer.age more than 365 days
  because "Old assessments say nothing."
  remedy "Assess again."
  example "an old one" is denied
    transfer.age = 366 days
    destination = near
  example "a fresh one" is permitted
    transfer.age = 365 days
    destination = near

rule kept "Some data sets are kept"
  cites LEX art 4
  on purge
  forbid
  when data.datasets has "archive"
  because "It is the archive."
  remedy "Leave it out."
  example "the archive" is denied
    data.datasets = {"archive"}
  example "another" is permitted
    data.datasets = {"other"}
"""

BASELINE = """\
charter test.baseline
  title "What is permitted at all"
  law HOUSE "House rules"
  time zone Pacific/Auckland
  as of 2026-11-22
import test.words

rule open-site "Open sites take workloads"
  cites HOUSE section 1
  on place
  permit
  when destination.open
  because "It is open."
  remedy "Choose an open site."
  example "an open one" is permitted
    destination = near
  example "a closed one" is denied
    destination = closed

rule open-sites "Data moves between open sites"
  cites HOUSE section 2
  in force from 2026-02-01
  on flow
  permit
  when destination.open and origin.open
  because "Both are open."
  remedy "Choose open sites."
  example "open ones" is permitted
    destination = near
    origin = far
  example "from a closed one" is denied
    destination = near
    origin = closed
"""

CHARTERS = {"words.charter": VOCABULARY, "law.charter": LAW, "baseline.charter": BASELINE}

SITES = """\
format = "charter-catalogue/v1"
title = "Sites for tests"
as_of = 2026-11-22

[[site]]
id = "near"
title = "Near"
valid_from = 2026-01-01
source = "made up"
facts = { countries = ["FR"], tier = 3, open = true, staff = [] }

[[site]]
id = "far"
valid_from = 2026-01-01
source = "made up"
facts = { countries = ["US"], tier = 1, open = true }

[[site]]
id = "closed"
valid_from = 2026-01-01
source = "made up"
facts = { countries = ["FR"], open = false }

[[site]]
id = "vague"
valid_from = 2026-01-01
source = "made up"
facts = { }

[[site]]
id = "lapsing"
valid_from = 2026-11-20
valid_until = 2026-11-22
source = "made up"
facts = { countries = ["FR"], open = true }
"""

NOW = datetime(2026, 11, 22, 9, 30, 15, 250_000, tzinfo=UTC)
TENANT = "clinic-a"
CALLER = Caller("caller-1", TENANT)
ORIGIN = "ledger.example/test"

QUESTION: dict[str, Any] = {
    "subject": {"type": "workload", "id": "w-1", "properties": {}},
    "action": {"name": "place"},
    "resource": {"type": "site", "id": "near"},
    "context": {
        "data": {"labels": ["health"]},
        "transfer": {"tool": "none", "age": 10},
    },
}

T = TypeVar("T")


@cache
def made() -> bundle.Bundle:
    """The bundle of the small law."""
    compiled = compile_charters([SourceText(name, text) for name, text in CHARTERS.items()])
    _, program = compiled.require()
    return bundle.build(compiled, sites(program).raw_facts())


def program() -> Program:
    return made().program


def sites(of: Program | None = None) -> catalogue.Catalogue:
    import tomllib

    return catalogue.build(tomllib.loads(SITES), of or program(), name="sites.toml")


def question(**changes: Any) -> dict[str, Any]:
    """The usual question with other members; `context__data__labels=[]` goes inside, and
    `...` takes a member away."""
    value = copy.deepcopy(QUESTION)
    for path, new in changes.items():
        *parents, last = path.split("__")
        at = value
        for parent in parents:
            at = at.setdefault(parent, {})
        if new is ...:
            del at[last]
        else:
            at[last] = new
    return value


def body(**changes: Any) -> bytes:
    return json.dumps(question(**changes)).encode()


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(coroutine)


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self, now: datetime = NOW) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


class FakeEngine:
    """An engine that does what a test wants of it."""

    def __init__(self, name: str, answer: Callable[[Question], Coroutine[Any, Any, Answer]]):
        self.name = name
        self.asked = 0
        self.closed = False
        self._answer = answer

    async def ask(self, question: Question) -> Answer:
        self.asked += 1
        return await self._answer(question)

    async def close(self) -> None:
        self.closed = True


class World:
    """A service with its keys and its ledger in a folder."""

    def __init__(
        self,
        folder: Path,
        *,
        engines: Sequence[Engine] | None = None,
        now: datetime = NOW,
        remember: int = 10_000,
        law: bundle.Bundle | None = None,
        known: catalogue.Catalogue | None = None,
        connect: Any = None,
        engine_timeout_s: float = 5.0,
        timeout_s: float = 30.0,
        in_force: InForce | None = None,
    ) -> None:
        self.clock = Clock(now)
        self.decision_key = DecisionKey.generate()
        self.checkpoint_key = CheckpointKey.generate(ORIGIN)
        more: Mapping[str, Any] = {} if connect is None else {"connect": connect}
        self.ledger = Log.open(
            folder / "ledger", origin=ORIGIN, signer=self.checkpoint_key, clock=self.clock, **more
        )
        self.service = Service(
            in_force=in_force
            or InForce(
                law or made(),
                known or sites(),
                engines or [ReferenceEngine((law or made()).program)],
                remember=remember,
                engine_timeout_s=engine_timeout_s,
            ),
            signer=self.decision_key,
            ledger=self.ledger,
            timeout_s=timeout_s,
            clock=self.clock,
        )
        public = self.decision_key.public
        self.trust = Trust(ORIGIN, self.checkpoint_key.public, {public.key_id: public})

    def decide(self, caller: Caller = CALLER, **changes: Any) -> dict[str, Any]:
        return run(self.service.decide(body(**changes), caller))

    def verify(self, answer: Mapping[str, Any], asked: object = None) -> Mapping[str, Any]:
        """The predicate of an answer that must verify."""
        return verify_decision(answer, self.trust, expect_request=asked).predicate

    def __enter__(self) -> "World":
        return self

    def __exit__(self, *_: object) -> None:
        self.ledger.close()


def write_project(folder: Path) -> Path:
    """The charters with their catalogues as files, as a user would keep them."""
    for name, text in CHARTERS.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    for place in ("fixtures", "catalogue"):
        (folder / place).mkdir(exist_ok=True)
        (folder / place / "sites.toml").write_text(SITES, encoding="utf-8")
    return folder
