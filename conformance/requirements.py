"""requirements.toml: the clauses that are tested, and those known not to be."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from conformance.case import CASE_ID, INSTRUMENT, LEVELS, LOCATOR, Clause
from conformance.errors import ShapeError, SuiteError
from conformance.shape import Members, as_text

VERSION = r"[0-9]+\.[0-9]+\.[0-9]+"
REQUIREMENT_ID = r"REQ-[A-Z0-9]+(-[A-Z0-9]+)*"


@dataclass(frozen=True, slots=True)
class Requirement:
    """A clause and its cases; `gap` says why there is none, and is empty otherwise."""

    id: str
    clause: Clause
    title: str
    level: str
    cases: tuple[str, ...]
    gap: str


@dataclass(frozen=True, slots=True)
class Requirements:
    """The table; `names` are the short names of the instruments."""

    case_set: str
    names: Mapping[str, str]
    rows: tuple[Requirement, ...]
    content: object

    def name(self, clause: Clause) -> str:
        """A clause as people write it: `GDPR art 44`."""
        return f"{self.names[clause.instrument]} {clause.locator}"


def read_requirements(path: Path) -> Requirements:
    """The table in a file.

    Raises:
        SuiteError: The file cannot be read, or a row is not what it must be.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        return _build(content)
    except OSError as error:
        raise SuiteError(f"{path}: cannot be read: {error.strerror}") from error
    except (ShapeError, ValueError, RecursionError) as error:
        raise SuiteError(f"{path}: {error}") from error


def _build(content: object) -> Requirements:
    top = Members(content)
    case_set = top.text("case_set", VERSION)
    names = _names(top.value("instruments"), top.at("instruments"))
    rows = top.items("requirement", _row, least=1)
    top.nothing_else()
    for what, seen in (("id", [r.id for r in rows]), ("clause", [r.clause for r in rows])):
        if len(set(seen)) != len(seen):
            raise ShapeError("/requirement", f"two rows have one {what}")
    for row in rows:
        if row.clause.instrument not in names:
            raise ShapeError("/instruments", f"`{row.clause.instrument}` has no short name")
    return Requirements(case_set, names, rows, content)


def _names(value: object, where: str) -> dict[str, str]:
    members = Members(value, where)
    return {
        as_text(instrument, where, INSTRUMENT): members.text(instrument) for instrument in members
    }


def _row(value: object, where: str) -> Requirement:
    members = Members(value, where)
    row = Requirement(
        id=members.text("id", REQUIREMENT_ID),
        clause=Clause(members.text("instrument", INSTRUMENT), members.text("locator", LOCATOR)),
        title=members.text("title"),
        level=members.choice("level", LEVELS),
        cases=members.texts("cases", CASE_ID),
        gap=members.text("gap") if members.has("gap") else "",
    )
    members.nothing_else()
    if bool(row.cases) == bool(row.gap):
        raise ShapeError(where, "must have either cases or a `gap` that says why not")
    return row
