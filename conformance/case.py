"""One case: its file and its meaning. The shape is also in case.schema.json."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import cast

from conformance.errors import ShapeError, SuiteError
from conformance.shape import Members, as_number, as_text, leaves
from conformance.strict_json import parse

FORMAT = "1.0"
CASE_ID = r"CT-[A-Z0-9]{2,12}-[0-9]{4}-[0-9]{3}"
INSTRUMENT = r"[0-9]{5}[A-Z]{1,2}[0-9]{4}|RFC [0-9]{3,5}"
LOCATOR = r"(art|annex|chapter|section|recital|point|criterion) [0-9A-Za-z().-]+"
RULE = r"[a-z0-9.-]+/[a-z0-9.-]+"
FACT = r"[a-z0-9_]+(\.[a-z0-9_]+)+"
WORD = r"[a-z0-9]+(-[a-z0-9]+)*"
DAY = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
PLACEHOLDER = re.compile(r"\{\{([a-z]+)\}\}")

STATUSES = frozenset({"draft", "active", "deprecated", "withdrawn"})
LEVELS = frozenset({"mandatory", "conditional", "optional"})
CLASSES = frozenset({"law", "standard", "scheme", "proposal"})
OUTCOMES = frozenset({"permit", "deny", "indeterminate"})
VARIED = frozenset({"subject", "dataset"})


@dataclass(frozen=True, slots=True)
class Clause:
    """A place in law or standard: CELEX number or RFC, and locator such as `art 46(1)`."""

    instrument: str
    locator: str

    def __str__(self) -> str:
        return f"{self.instrument} {self.locator}"


@dataclass(frozen=True, slots=True)
class Citation:
    """The clause a case serves, and the day of the text that was read."""

    clause: Clause
    text_as_of: str
    kind: str


@dataclass(frozen=True, slots=True)
class Expect:
    """What an answer must be. An empty tuple and None ask for nothing; `obligations` of
    `exactly` may be empty and then asks for none."""

    http: tuple[int, ...]
    decision: str | None = None
    reasons_all: tuple[str, ...] = ()
    reasons_any: tuple[str, ...] = ()
    reasons_none: tuple[str, ...] = ()
    cites_any: tuple[str, ...] = ()
    obligations_exactly: tuple[str, ...] | None = None
    obligations_at_least: tuple[str, ...] = ()
    missing_all: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """One question and what must come back. `written` is the expectation as in the file."""

    id: str
    request: Mapping[str, object]
    expect: Expect
    written: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Case:
    """A purpose made executable. The first step is the one compared with the twin's."""

    id: str
    revision: int
    status: str
    title: str
    purpose: str
    citations: tuple[Citation, ...]
    profiles: tuple[str, ...]
    level: str
    requires: tuple[str, ...]
    twin: str
    vary: tuple[str, ...]
    steps: tuple[Step, ...]
    notes: str
    content: object

    @property
    def mandatory(self) -> bool:
        return self.level == "mandatory"


def read_case(path: Path) -> Case:
    """The case in a file.

    Raises:
        SuiteError: The file cannot be read or is not a case; the message names the place.
    """
    try:
        return build_case(parse(path.read_bytes()))
    except OSError as error:
        raise SuiteError(f"{path}: cannot be read: {error.strerror}") from error
    except ShapeError as error:
        raise SuiteError(f"{path}: {error}") from error


def build_case(content: object) -> Case:
    """The case in a JSON value; a `ShapeError` names what is wrong."""
    top = Members(content)
    top.choice("format", {FORMAT})
    case = Case(
        id=top.text("id", CASE_ID),
        revision=top.number("revision", 1, 9999),
        status=top.choice("status", STATUSES),
        title=top.text("title"),
        purpose=top.text("purpose"),
        citations=top.items("citations", _citation, least=1),
        profiles=top.texts("profiles", WORD, least=1),
        level=top.choice("level", LEVELS),
        requires=top.texts("requires", WORD),
        twin=top.text("twin", CASE_ID),
        vary=top.texts("vary", "|".join(sorted(VARIED)), least=1),
        steps=top.items("steps", _step, least=1),
        notes=top.text("notes"),
        content=content,
    )
    top.nothing_else()
    _check_ids(case)
    _check_placeholders(case)
    return case


def _citation(value: object, where: str) -> Citation:
    members = Members(value, where)
    clause = Clause(members.text("instrument", INSTRUMENT), members.text("locator", LOCATOR))
    text_as_of = members.text("text_as_of", DAY)
    try:
        date.fromisoformat(text_as_of)
    except ValueError as error:
        raise ShapeError(members.at("text_as_of"), "is no day of the calendar") from error
    citation = Citation(clause, text_as_of, members.choice("class", CLASSES))
    members.nothing_else()
    return citation


def _step(value: object, where: str) -> Step:
    members = Members(value, where)
    members.choice("call", {"evaluate"})
    request, written = members.value("request"), members.value("expect")
    Members(request, members.at("request"))
    expect = _expect(Members(written, members.at("expect")))
    step_id = members.text("id", WORD)
    members.nothing_else()
    objects = cast("Mapping[str, object]", request), cast("Mapping[str, object]", written)
    return Step(step_id, objects[0], expect, objects[1])


def _expect(members: Members) -> Expect:
    http = _statuses(members)
    if http != (200,):
        members.nothing_else()
        return Expect(http)
    reasons = _names(members, "reasons", RULE, ("all_of", "any_of", "none_of"))
    cites = _names(members, "cites", rf"({INSTRUMENT})/({LOCATOR})", ("any_of",))
    duties = _names(members, "obligations", WORD, ("exactly", "at_least"))
    missing = _names(members, "missing", FACT, ("all_of",))
    expect = Expect(
        http=http,
        decision=members.choice("decision", OUTCOMES),
        reasons_all=reasons.get("all_of", ()),
        reasons_any=reasons.get("any_of", ()),
        reasons_none=reasons.get("none_of", ()),
        cites_any=cites.get("any_of", ()),
        obligations_exactly=duties.get("exactly"),
        obligations_at_least=duties.get("at_least", ()),
        missing_all=missing.get("all_of", ()),
    )
    members.nothing_else()
    return expect


def _statuses(members: Members) -> tuple[int, ...]:
    """200, or the list of refusals any of which will do."""
    if isinstance(members.value("http"), list):
        found = members.items("http", lambda value, at: as_number(value, at, 400, 499), least=1)
        if len(set(found)) != len(found):
            raise ShapeError(members.at("http"), "must not say a thing twice")
        return found
    return (members.number("http", 200, 200),)


def _names(
    members: Members, name: str, pattern: str, ways: tuple[str, ...]
) -> dict[str, tuple[str, ...]]:
    if not members.has(name):
        return {}
    inner = members.inner(name)
    # `exactly` may be empty and means none; an empty list elsewhere would ask for nothing.
    found = {
        way: inner.texts(way, pattern, least=0 if way == "exactly" else 1)
        for way in ways
        if inner.has(way)
    }
    inner.nothing_else()
    if not found:
        raise ShapeError(inner.where, f"must have one of {', '.join(ways)}")
    return found


def _check_ids(case: Case) -> None:
    ids = [step.id for step in case.steps]
    if len(set(ids)) != len(ids):
        raise ShapeError("/steps", "two steps have one id")
    if case.twin == case.id:
        raise ShapeError("/twin", "a case is not its own twin")
    if case.steps[0].expect.decision is None:
        raise ShapeError("/steps/0/expect", "the first step must expect a decision")


def _check_placeholders(case: Case) -> None:
    used: set[str] = set()
    for number, step in enumerate(case.steps):
        for where, leaf in leaves(step.request, f"/steps/{number}/request"):
            if isinstance(leaf, str) and ("{{" in leaf or "}}" in leaf):
                used.add(as_text(leaf, where, PLACEHOLDER.pattern)[2:-2])
    if used != set(case.vary):
        raise ShapeError("/vary", "must name exactly the placeholders of the requests")
