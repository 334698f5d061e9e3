"""Core to Rego v1: a module for any Open Policy Agent, and the bundle that carries it.

The input is `dsl.facts.Question.document()`. Entry points, each always an object:

    data.charter.decide  {"denied": [...], "granted": [...]}   prohibitions not certainly
                         clear; permissions that certainly grant
    data.charter.why     {"broken": [...], "open": [...]}      of a refusal: prohibitions
                         certainly broken; permissions not certainly closed
    data.charter.duties  {"duties": [...], "preferred": [...]}
                         of a permit: duties and advice that apply; preferences that
                         certainly hold
    data.charter.answer  decide, with why or duties as the case may be, the rules below
                         the level enforce that would have said something, `noted`, and
                         the digest of the program, in one evaluation

A placement is permitted where `granted` names something and `denied` nothing. The
module asks only what is certainly so, by named booleans over guarded facts
(`dsl.rego_facts`); what is possibly so is `not` the certain opposite. It expects the
normalised question and guards the types all the same: a fact that is absent, of
another type or outside its vocabulary is unknown, and unknown permits nothing.

Values of large sets are in the data document, `opa_bundle()["data.json"]`; the module
without it knows no fact that is compared with such a set.
"""

import gzip
import io
import json
import tarfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from dsl.core import (
    And,
    Condition,
    Constant,
    Effect,
    Level,
    Not,
    Or,
    Program,
    Rule,
    conjuncts,
    opposite,
)
from dsl.core_json import program_digest
from dsl.fold import fold_program
from dsl.names import Names
from dsl.rego_certain import when_certain, when_certain_without
from dsl.rego_facts import FactRules
from dsl.rego_groups import Definition, Groups
from dsl.rego_lean import lean_answer
from dsl.rego_text import (
    RESERVED,
    about_duty,
    about_rule,
    clause,
    comment,
    heading,
    metadata,
    quote,
)
from dsl.uncollected import uncollected
from dsl.wellformed import check_program

PACKAGE = "charter"

ENTRY_POINTS = """\
# METADATA
# description: "Prohibitions that are not certainly clear, and permissions that certainly grant."
# entrypoint: true
decide := {"denied": denied, "granted": granted}

# METADATA
# description: "Of a refusal: prohibitions certainly broken, and permissions not certainly closed."
# entrypoint: true
why := {"broken": broken, "open": open}

# METADATA
# description: "Of a permit: the duties and the advice that apply, and the preferences that hold."
# entrypoint: true
duties := {"duties": due, "preferred": preferred}

# METADATA
# description: "All of the above that matters, and the digest of the program that says so."
# entrypoint: true
answer := {
	"denied": denied,
	"granted": granted,
	"duties": due,
	"preferred": preferred,
	"noted": noted,
	"program": program,
} if {
	permitted
}

answer := {
	"denied": denied,
	"granted": granted,
	"broken": broken,
	"open": open,
	"noted": noted,
	"program": program,
} if {
	not permitted
}

permitted if {
	count(denied) == 0
	count(granted) > 0
}
"""

_OWN_NAMES = (
    "charter decide why duties answer permitted program denied granted broken open due preferred "
    "noted term above values some_granted"
).split()


@dataclass(frozen=True, slots=True)
class RegoPolicy:
    """A module and the data document that belongs to it."""

    module: str
    data: dict[str, object]


def rego_module(program: Program) -> str:
    """The module; see `rego_policy` for the data that belongs to it."""
    return rego_policy(program).module


@uncollected()
def rego_policy(
    program: Program,
    *,
    package: str = PACKAGE,
    lean: bool = False,
    unknown: Collection[str] = (),
) -> RegoPolicy:
    """The module and its data document.

    Args:
        program: What to compile.
        package: The Rego package; one below `charter` lets programs share a server.
        lean: Whether to leave out what a gateway has looked at before it asks: the program
            is about one action, and every fact is fit or absent. Such a module has the one
            entry point `answer`, whose members are lists of sets (`dsl.rego_lean`).
        unknown: Facts that no question has which a lean one is put.

    Raises:
        CoreFormatError: The program is not well-formed.
    """
    check_program(program)
    return _Module(program, package, lean=lean, unknown=frozenset(unknown)).policy()


def opa_bundle(program: Program, revision: str) -> dict[str, bytes]:
    """The files of an OPA bundle by path (Open Policy Agent documentation, "Bundles")."""
    policy = rego_policy(program)
    manifest = {"revision": revision, "roots": [PACKAGE], "rego_version": 1}
    files = {
        ".manifest": _json(manifest),
        "charter/charter.rego": policy.module.encode("utf-8"),
    }
    if policy.data:
        files["data.json"] = _json(policy.data)
    return files


def tarball(files: Mapping[str, bytes]) -> bytes:
    """The files as a gzipped tar; the same files give the same bytes."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path in sorted(files):
            entry = tarfile.TarInfo(path)
            entry.size = len(files[path])
            entry.mode = 0o644
            archive.addfile(entry, io.BytesIO(files[path]))
    return gzip.compress(buffer.getvalue(), mtime=0)


def _json(document: object) -> bytes:
    text = json.dumps(document, ensure_ascii=False, sort_keys=True, indent=2)
    return (text + "\n").encode("utf-8")


@dataclass(frozen=True, slots=True)
class _Entry:
    """What stands together in the text: an annotation, the definitions it is of, and the
    booleans that only they ask."""

    about: str
    definitions: list[Definition]
    helpers: list[str]

    def blocks(self, groups: Groups) -> list[str]:
        first, *others = [t for d in self.definitions for t in groups.of(d.set, d.member)]
        return [f"{self.about}\n{first}", *others, *self.helpers]


class _Module:
    """One module in the making; names and shared booleans are kept here."""

    def __init__(
        self, program: Program, package: str, *, lean: bool, unknown: frozenset[str]
    ) -> None:
        self._lean = lean
        self._unknown = unknown
        self._package = package
        self._digest = program_digest(program)
        self._program = fold_program(program)
        self._names = Names(RESERVED.union(_OWN_NAMES))
        self._facts = FactRules(self._program, self._names, package, lean=lean)
        self._helpers: dict[Condition, str] = {}
        self._pending: list[str] = []
        self._never: list[str] = []

    def policy(self) -> RegoPolicy:
        rules = [self._rule(rule) for rule in self._program.rules]
        definitions = [d for rule in rules for entry in rule for d in entry.definitions]
        if self._lean:
            return self._lean_policy(definitions, [h for r in rules for e in r for h in e.helpers])
        groups = Groups(definitions, self._names)
        blocks = [block for rule in rules for entry in rule for block in entry.blocks(groups)]
        parts = [
            self._header(),
            heading("entry points"),
            ENTRY_POINTS.strip(),
            *self._empty_sets(definitions),
            *_section("rules", blocks, self._never),
            *_section("groups of rules", groups.heads),
            *_section("conditions", self._facts.conditions),
            *_section("facts", self._facts.guards),
        ]
        return RegoPolicy("\n\n".join(parts) + "\n", self._data())

    def _lean_policy(self, definitions: Sequence[Definition], helpers: Sequence[str]) -> RegoPolicy:
        parts = [
            f"package {self._package}",
            *lean_answer(definitions, self._names, self._digest),
            *helpers,
            *self._facts.conditions,
            *self._facts.guards,
        ]
        return RegoPolicy("\n\n".join(parts) + "\n", self._data())

    def _data(self) -> dict[str, object]:
        if not self._facts.needs_data:
            return {}
        document: dict[str, object] = {"values": self._facts.values}
        for name in reversed(self._package.split(".")):
            document = {name: document}
        return document

    def _header(self) -> str:
        annotation = metadata(
            {
                "title": "Charter",
                "description": "Compiled from charters: change those, not this.",
                "custom": {"program": self._digest},
            }
        )
        return f"{annotation}\npackage {self._package}\n\nprogram := {quote(self._digest)}"

    @staticmethod
    def _empty_sets(definitions: Sequence[Definition]) -> list[str]:
        defined = {definition.set for definition in definitions}
        names = ("denied", "granted", "broken", "open", "due", "preferred", "noted")
        return [f"{name} := set()" for name in names if name not in defined]

    # --- rules ---------------------------------------------------------------------

    def _rule(self, rule: Rule) -> list[_Entry]:
        """What is emitted of a rule: itself, and each of its duties."""
        stem = rule.id.rpartition("/")[2]
        definitions = [d for d in self._members(rule, stem) if d is not None]
        entries: list[_Entry] = []
        if definitions:
            about = metadata(about_rule(rule))
            entries.append(_Entry(about, definitions, self._take_pending()))
        elif rule.effect is not Effect.OBLIGE:
            self._never.append(comment(f"{rule.id} never applies: its condition is never true"))
        for duty in rule.duties if rule.level is Level.ENFORCE else ():
            definition = self._possibly("due", duty.id, rule, duty.condition, stem)
            if definition is not None:
                about = metadata(about_duty(duty))
                entries.append(_Entry(about, [definition], self._take_pending()))
        return entries

    def _members(self, rule: Rule, stem: str) -> Iterator[Definition | None]:
        """The definitions that put the rule into the sets of the answer."""

        def possibly(group: str) -> Definition | None:
            return self._possibly(group, rule.id, rule, rule.formula, stem)

        def certainly(group: str) -> Definition | None:
            return self._certainly(group, rule, stem)

        match rule.effect, rule.level:
            case Effect.FORBID, Level.ENFORCE:
                yield possibly("denied")
                yield certainly("broken")
            case Effect.PERMIT, Level.ENFORCE:
                yield certainly("granted")
                yield possibly("open")
            case Effect.FORBID, _:
                yield possibly("noted")
            case Effect.PERMIT, _:
                yield certainly("noted")
            case Effect.PREFER, Level.ENFORCE:
                yield certainly("preferred")
            case _:
                return

    def _take_pending(self) -> list[str]:
        pending, self._pending = self._pending, []
        return pending

    def _certainly(self, group: str, rule: Rule, stem: str) -> Definition | None:
        formula = self._when_certain(rule.formula)
        if formula == Constant(False):
            return None
        parts = [tuple(self._certain(part, stem)) for part in conjuncts(formula)]
        wanted = tuple(part for part in parts if part)
        return Definition(group, rule.id, tuple(sorted(rule.actions)), wanted)

    def _when_certain(self, condition: Condition) -> Condition:
        if not self._lean:
            return when_certain(condition)
        return when_certain_without(condition, self._unknown)

    def _possibly(
        self, group: str, member: str, rule: Rule, formula: Condition, stem: str
    ) -> Definition | None:
        """The member is in the group unless one of the conjuncts is certainly false."""
        ways = [self._when_certain(opposite(part)) for part in conjuncts(formula)]
        if Constant(True) in ways:
            return None
        parts = tuple(
            (f"not {self._name_of(way, stem, 'way_out')}",)
            for way in ways
            if way != Constant(False)
        )
        return Definition(group, member, tuple(sorted(rule.actions)), parts)

    # --- conditions ----------------------------------------------------------------

    def _certain(self, condition: Condition, stem: str) -> list[str]:
        """Expressions that hold together where the condition is certainly true."""
        match condition:
            case Constant(True):
                return []
            case Constant():
                return ["false"]
            case And(operands):
                return [line for operand in operands for line in self._certain(operand, stem)]
            case Not(operand):
                if isinstance(operand, Constant):
                    return self._certain(opposite(operand), stem)
                return list(self._facts.negated(operand))
            case Or():
                return [self._name_of(condition, stem, "case")]
            case _:
                return [self._facts.atom(condition)]

    def _name_of(self, condition: Condition, stem: str, word: str) -> str:
        """The boolean that holds where the condition is certainly true, defined once."""
        if not isinstance(condition, And | Or | Not | Constant):
            return self._facts.atom(condition)
        if condition not in self._helpers:
            self._helpers[condition] = self._define(condition, stem, word)
        return self._helpers[condition]

    def _define(self, condition: Condition, stem: str, word: str) -> str:
        if isinstance(condition, Not):
            lines = self._certain(condition, stem)
            name = self._names.fresh("certainly_not", lines[-1].removeprefix("not "))
            self._facts.conditions.append(clause(name, lines))
            return name
        name = self._names.fresh(stem, word)
        alternatives = condition.operands if isinstance(condition, Or) else (condition,)
        bodies = [self._certain(alternative, stem) for alternative in alternatives]
        self._pending += [clause(name, body) for body in bodies]
        return name


def _section(title: str, blocks: Sequence[str], remarks: Sequence[str] = ()) -> list[str]:
    """A part of the module. Remarks stand right under its heading: at the end of a module
    the formatter would join comments."""
    if not blocks and not remarks:
        return []
    return ["\n".join([heading(title), *remarks]), *blocks]
