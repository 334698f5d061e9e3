"""A made-up law whose facts come from every mouth, and sources made of what a test says."""

import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

from dsl.compile import compile_charters
from dsl.core import Origin, Program
from dsl.source import SourceText
from gateway import bundle
from gateway.in_force import InForce
from gateway.pdp import catalogue
from gateway.pdp.engine_reference import ReferenceEngine
from gateway.record.canonical import Json
from gateway.sources import Sources
from gateway.sources.allowed import allow
from gateway.sources.answer import FORMAT
from gateway.sources.interface import Key, Raw
from gateway.sources.source import Source, Terms
from tests.gateway.world import NOW, World

LAW = """\
charter test.law
  title "A law for tests"
  law LEX "Regulation (EU) 2000/1"
  time zone Europe/Brussels
  as of 2026-11-22

action place "Run a workload"
action flow  "Move data"
action purge "Remove data sets"
enumeration country "Country" of BE, DE, FR, US
enumeration objective "Objectives" of SOV-1, SOV-2
levels seal "Levels" of SEAL-0 < SEAL-1 < SEAL-2
structure holder "An owner"
  field country country
  field share   number of percent
entity site "A place"
  field countries set of country
  field staff     set of country or none
  field open      yes or no
  field audited   date
  field seal      map of objective to seal
  field holders   list of holder
record destination "Where to" is site from catalogue at resource on place, flow
record origin "Where from" is site from catalogue at context.origin on flow
record workload "Who" from request at subject.properties
  field tenant identifier
  field age    number of days
record data "What" from request at context.data
  field datasets set of identifier or none
record checked "What a verifier says of the workload" from verifier at context.checked
  field sound yes or no
  field level seal
record held "What is known of data sets" from catalogue at context.held
  field encrypted yes or no
record paid "What is known of who asks" from catalogue at context.paid
  field rank number of days
record kept "What the log says" from ledger at context.kept
  field often number of days
derive destination.foreign "Held from outside" as
  the sum of destination.holders.share where holders.country in {US}

rule open-site "Open sites take workloads"
  cites LEX art 1
  on place
  permit
  when destination.open
  because "It is open."
  remedy "Choose an open site."
rule open-sites "Data moves between open sites"
  cites LEX art 2
  on flow
  permit
  when destination.open and origin.open
  because "Both are."
  remedy "Choose others."
rule inside "Inside"
  cites LEX art 3
  on place, flow
  require destination.countries within {BE, DE, FR} and destination.staff within {BE, DE, FR}
  because "The law says so."
  remedy "Choose another."
rule sound "Sound"
  cites LEX art 4
  on place
  require checked.sound
  because "The law says so."
  remedy "Have it verified."
rule own "Owned inside"
  cites LEX art 5
  on place
  require destination.foreign less than 50 percent and destination.seal[SOV-2] at least SEAL-1
  because "The law says so."
  remedy "Choose another."
rule kept "Encrypted data sets"
  cites LEX art 6
  on purge
  permit
  when held.encrypted and paid.rank at least 3 days
  because "It is."
  remedy "Encrypt."
"""

SITES: dict[str, Any] = {
    "format": "charter-catalogue/v1",
    "title": "Sites",
    "as_of": NOW.date(),
    "site": [
        {
            "id": one,
            "valid_from": NOW.date() - timedelta(days=30),
            "source": "made up",
            "facts": facts,
        }
        for one, facts in {
            "near": {"open": True, "countries": ["FR"], "seal": {"SOV-2": "SEAL-2"}},
            "far": {"open": True, "countries": ["US"]},
            "vague": {},
        }.items()
    ],
}

FULL: dict[str, Json] = {"staff": [], "holders": [{"country": "US", "share": "10"}]}
AT = "2026-11-22T09:30:00Z"


@cache
def made() -> bundle.Bundle:
    compiled = compile_charters([SourceText("law.charter", LAW)])
    _, program = compiled.require()
    return bundle.build(compiled, sites(program).raw_facts())


def program() -> Program:
    return made().program


def sites(of: Program) -> catalogue.Catalogue:
    return catalogue.build(SITES, of, name="sites.toml")


def answer(id: str = "near", **changes: Any) -> dict[str, Json]:
    """An answer about a site; `...` takes a member away."""
    whole = {"format": FORMAT, "id": id, "observed_at": AT, "facts": FULL, **changes}
    return {name: value for name, value in whole.items() if value is not ...}


class Told:
    """A backend that does what a test wants of it, in the thread it is called from."""

    def __init__(self, tell: Callable[[Key], Json | None]) -> None:
        self.tell = tell
        self.asked: list[Key] = []
        self.threads: set[int] = set()

    def read(self, key: Key) -> Raw | None:
        self.asked.append(key)
        self.threads.add(threading.get_ident())
        told = self.tell(key)
        return None if told is None else Raw(told)


class Seconds:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def source(
    backend: Any,
    *,
    name: str = "books",
    about: str = "site",
    origin: Origin = Origin.CATALOGUE,
    states: Sequence[str] = ("staff", "holders"),
    timeout_s: float = 5,
    max_age_s: float = 600,
    keep_s: float = 60,
    seconds: Seconds | None = None,
) -> Source:
    return Source(
        Terms(name, timeout_s, timedelta(seconds=max_age_s), keep_s),
        allow(program(), about, origin, states, "test"),
        backend,
        **({} if seconds is None else {"seconds": seconds}),
    )


def world(folder: Path, *sources: Source) -> World:
    """A gateway on the law with these sources."""
    in_force = InForce(
        made(),
        sites(program()),
        [ReferenceEngine(program())],
        sources=Sources(program(), sources) if sources else None,
    )
    return World(folder, in_force=in_force)


def verifier(tell: Callable[[Key], Json | None] | None = None) -> Source:
    """Says of each workload that it is sound."""

    def sound(key: Key) -> Json:
        return answer(key.id, tenant=key.tenant, facts={"checked.sound": True})

    return source(
        Told(tell or sound),
        name="verifier",
        about="subject/workload",
        origin=Origin.VERIFIER,
        states=["checked"],
    )


def asked(**changes: Any) -> dict[str, Any]:
    """A question that is permitted where the sources say what they should."""
    base: dict[str, Any] = {
        "subject": {"type": "workload", "id": "w-1", "properties": {}},
        "action": {"name": "place"},
        "resource": {"type": "site", "id": "near"},
        "context": {},
    }
    return {**base, **changes}


def said(answered: Mapping[str, Any], name: str = "books") -> dict[str, Any]:
    """What the record says that a source said."""
    (one,) = [each for each in answered["sources"] if each["source"] == name]
    return one
