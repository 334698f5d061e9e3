"""Reads the cases of one file, strictly: a file, a case or a field that is not exactly
understood is refused by name, for a case that runs on less than its author wrote shows less
than its author thinks.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Literal, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dsl import model
from dsl.core import FactType, Kind
from dsl.facts import MAX_ELEMENTS, fit
from dsl.near import nearest
from dsl.printable import printable
from dsl.source import SourceText, Span
from dsl.tree import Charter, Expected
from gateway import toml_text

MAX_CASES = 10_000
MAX_TITLE = 300

_EPOCH = date(1970, 1, 1)
_HEADING = re.compile(r"^[ \t]*\[\[[ \t]*case[ \t]*\]\]", re.MULTILINE)
_ASSUME = re.compile(r"^[ \t]*(?:\[[ \t]*)?assume\b", re.MULTILINE)


class _Stated(BaseModel):
    """What is so in all cases of the file, or in one."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    entities: dict[str, str] = Field(default_factory=dict)
    given: dict[str, object] = Field(default_factory=dict)
    unknown: list[str] = Field(default_factory=list)


class _Row(_Stated):
    """One case as it stands in the file."""

    title: str = Field(min_length=1, max_length=MAX_TITLE)
    action: str | list[str] | None = None
    as_of: date | None = None
    expect: Literal["permitted", "denied", "undetermined"]
    by: list[str] | None = None
    obligations: list[str] = Field(default_factory=list)
    advice: list[str] = Field(default_factory=list)


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    format: Literal["charter-cases/v1"]
    assume: dict[str, object] = Field(default_factory=dict)
    case: list[dict[str, object]] = Field(min_length=1, max_length=MAX_CASES)


@dataclass(frozen=True)
class Scope:
    """What the cases of one charter may name."""

    charter: Charter
    checked: model.Model
    rules: tuple[model.Rule, ...]
    obligations: frozenset[str]
    actions: tuple[str, ...]


class CaseReader:
    """Reads the cases of one file; what is wrong goes to `problems`."""

    def __init__(self, file: Path, source: SourceText, scope: Scope, problems: list[str]) -> None:
        self._file = file
        self._source = source
        self._scope = scope
        self._problems = problems
        self._where = ""

    def examples(self) -> Iterator[model.Example]:
        try:
            file = _File.model_validate(toml_text.loads(self._source.text))
        except ValidationError as error:
            self._problems.append(f"{self._file}: {_first(error)}")
            return
        except (ValueError, RecursionError) as error:
            # A ValueError: tomllib lets impossible dates through as one.
            self._problems.append(f"{self._file}: this is not TOML: {_line(error)}")
            return
        assumed = self._assumed(file.assume)
        rows = file.case
        spans = self._spans(len(rows))
        seen: set[str] = set()
        for number, (raw, span) in enumerate(zip(rows, spans, strict=True), 1):
            title = raw.get("title")
            named = f" `{printable(title[:80])}`" if isinstance(title, str) and title else ""
            self._where = f"{self._file}:{span.position[0]}: case {number}{named}"
            try:
                row = _Row.model_validate(raw)
            except ValidationError as error:
                self._problem(_first(error))
                continue
            if row.title in seen:
                self._problem("`title`: another case has it already; give each its own")
            seen.add(row.title)
            yield from self._example(row, span, assumed)

    def _assumed(self, raw: Mapping[str, object]) -> model.Assumed:
        """What every case takes for granted that does not say otherwise."""
        place = _ASSUME.search(self._source.text)
        line, _ = self._source.position(place.start() if place else 0)
        self._where = f"{self._file}:{line}: assume"
        try:
            stated = _Stated.model_validate(raw)
        except ValidationError as error:
            self._problem(_first(error))
            return model.Assumed()
        return model.Assumed(self._facts(stated), stated.entities)

    def _spans(self, count: int) -> list[Span]:
        """Where each case begins, if the file is laid out as usual; else its beginning."""
        starts = [match.start() for match in _HEADING.finditer(self._source.text)]
        return [
            self._source.span(start, start)
            for start in (starts if len(starts) == count else [0] * count)
        ]

    def _problem(self, words: str) -> None:
        self._problems.append(f"{self._where}: {printable(words)}")

    def _example(self, row: _Row, span: Span, assumed: model.Assumed) -> Iterator[model.Example]:
        """One example for each action, so that each runs on the rules it needs."""
        before = len(self._problems)
        given = self._facts(row)
        by = self._by(row.by)
        self._known("obligations", row.obligations, self._scope.obligations)
        self._known("advice", row.advice, self._scope.obligations)
        if row.expect != "permitted" and (row.obligations or row.advice):
            self._problem("`obligations`: only what is permitted has any; leave them out")
        day = row.as_of or _head_day(self._scope.charter)
        if day is None:
            self._problem("`as_of`: write a day such as 2026-11-22; the charter has none")
        actions = self._actions(row)
        if day is None or len(self._problems) > before:
            return
        for action in actions:
            yield model.Example(
                title=row.title,
                expected=Expected(row.expect),
                obligations=tuple(sorted(set(row.obligations))),
                advice=tuple(sorted(set(row.advice))),
                by=by,
                given=given,
                entities=row.entities,
                day=(day - _EPOCH).days,
                actions=(action,),
                span=span,
                assumed=assumed,
            )

    # --- fields ---

    def _actions(self, row: _Row) -> tuple[str, ...]:
        asked = [row.action] if isinstance(row.action, str) else row.action
        if asked is None:
            return self._scope.actions
        if not asked:
            self._problem("`action`: name one, or leave it out for all of the charter's rules")
        self._known("action", asked, self._scope.actions)
        return tuple(dict.fromkeys(asked))

    def _known(self, field: str, names: Iterable[str], known: Iterable[str]) -> None:
        choices = sorted(known)
        for name in names:
            if name not in choices:
                guess = nearest(name, choices)
                shown = ", ".join(choices) or "none"
                hint = f"did you mean `{guess}`?" if guess else f"there are: {shown}"
                self._problem(f"`{field}`: there is no `{name[:80]}` here; {hint}")

    def _by(self, names: list[str] | None) -> tuple[str, ...] | None:
        """Ids of rules and exceptions, for their short names."""
        if names is None:
            return None
        ids: dict[str, list[str]] = {}
        for rule in self._scope.rules:
            ids.setdefault(rule.id.rpartition("/")[2], []).append(rule.id)
            for exception in rule.exceptions:
                # `adequacy`, or `protected-destination/adequacy` where several have one.
                ids.setdefault(exception.id.rpartition("/")[2], []).append(exception.id)
                ids.setdefault(exception.id.partition("/")[2], []).append(exception.id)
        self._known("by", names, ids)
        meant: list[str] = []
        for name in names:
            found = sorted(set(ids.get(name, [])))
            if len(found) > 1:
                listed = ", ".join(one.partition("/")[2] for one in found)
                self._problem(f"`by`: several are named `{name}`; write one of {listed}")
            meant += found[:1]
        return tuple(sorted(set(meant)))

    def _facts(self, stated: _Stated) -> dict[str, object]:
        """Paths and values, None for what is known to nobody."""
        given = dict(self._given(stated))
        self._known("unknown", stated.unknown, self._scope.checked.facts)
        for path in stated.unknown:
            if path in given:
                self._problem(f"`unknown`: `{path}` is given as well; leave one of them out")
            given[path] = None
        places = {place.record for place in self._scope.checked.places}
        self._known("entities", stated.entities, places)
        return given

    def _given(self, row: _Stated) -> Iterator[tuple[str, object]]:
        facts, lists = self._scope.checked.facts, self._scope.checked.lists
        places = {place.record for place in self._scope.checked.places}
        for path, raw in _flat(row.given, facts):
            fact, value = facts.get(path), _wire(raw)
            if path in places:
                self._problem(f"`given`: `{path}` names a row; write it under `entities`")
            elif path in lists:
                self._list(path, lists[path].fields, value)
                yield path, value
            elif fact is None:
                self._known("given", [path], {*facts, *lists})
            else:
                if fit(fact, value) is None:
                    self._problem(f"`given`: `{path}` cannot be {_shown(raw)}; {_wanted(fact)}")
                yield path, value

    def _list(self, path: str, fields: Mapping[str, FactType], value: object) -> None:
        """Refuse elements of a list that are not exactly understood."""
        if not isinstance(value, list) or len(cast("list[object]", value)) > MAX_ELEMENTS:
            self._problem(f"`given`: `{path}` must be a list of tables, at most {MAX_ELEMENTS}")
            return
        for number, element in enumerate(cast("list[object]", value), 1):
            where = f"`given`: element {number} of `{path}`"
            if not isinstance(element, dict):
                self._problem(f"{where} must be a table, such as {{ {next(iter(fields))} = … }}")
                continue
            for name, raw in cast("dict[str, object]", element).items():
                if name not in fields:
                    self._problem(f"{where} has no `{name}`; there are: {', '.join(fields)}")
                elif fit(fields[name], raw) is None:
                    self._problem(
                        f"{where}: `{name}` cannot be {_shown(raw)}; {_wanted(fields[name])}"
                    )


def _flat(
    given: Mapping[str, object], facts: Mapping[str, FactType], prefix: str = ""
) -> Iterator[tuple[str, object]]:
    """Paths and values: `data.labels = …` in TOML is a table in a table. A key of a map is
    written as in a charter, `"csf.seal[SOV-2]" = …`, or as a table."""
    for name, value in given.items():
        key = f"{prefix.removesuffix('.')}[{name}]"
        path = key if key in facts else f"{prefix}{name}"
        if isinstance(value, dict):
            yield from _flat(cast("dict[str, object]", value), facts, f"{path}.")
        else:
            yield path, value


def _wire(raw: object) -> object:
    """A TOML value as it would stand in a question."""
    match raw:
        case datetime():
            return raw
        case date():
            return raw.isoformat()
        case list():
            return [_wire(element) for element in cast("list[object]", raw)]
        case dict():
            table = cast("dict[str, object]", raw)
            return {name: _wire(value) for name, value in table.items()}
        case _:
            return raw


def _shown(raw: object) -> str:
    text = f'"{raw}"' if isinstance(raw, str) else str(raw)
    return f"`{text if len(text) <= 60 else text[:59] + '…'}`"


def _wanted(fact: FactType) -> str:
    values = fact.values or ()
    listed = f" of {', '.join(values)}" if 0 < len(values) <= 12 else ""
    kind = f" of the {fact.vocabulary}s" if values and not listed and fact.vocabulary else listed
    return {
        Kind.TRUTH: "write true or false",
        Kind.TERM: f"write one text in quotes{kind}",
        Kind.TERMS: f"write a list of texts{kind}",
        Kind.INTEGER: f"write a number of {fact.unit}"
        + (f" as text, with at most {fact.scale} decimals" if fact.scale else ""),
        Kind.DAY: "write a day such as 2026-11-22",
    }[fact.kind]


def _head_day(charter: Charter) -> date | None:
    return None if charter.as_of is None else charter.as_of.day


_WORDS = {
    "missing": "this field is missing",
    "extra_forbidden": "there is no such field; see `charter test --help`",
    "string_too_long": f"this is longer than {MAX_TITLE} characters",
    "string_too_short": "this must not be empty",
    "too_long": f"more than {MAX_CASES:,} cases in one file",
    "too_short": "there is no case; write [[case]] and its fields",
    "string_type": "this must be text in quotes",
    "list_type": "this must be a list in brackets",
    "dict_type": "this must be a table",
    "date_type": "this must be a day such as 2026-11-22, without quotes",
}


def _first(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    where = next((part for part in first["loc"] if isinstance(part, str)), "")
    if first["type"] == "literal_error":
        wanted = str(first.get("ctx", {}).get("expected", "")).replace("'", '"')
        return f"`{where}`: write {wanted}"
    words = _WORDS.get(first["type"], first["msg"])
    return f"`{where}`: {words}" if where else words


def _line(error: Exception) -> str:
    return " ".join(str(error).split()) or "nested too deeply"
