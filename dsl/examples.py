"""Inline examples as questions with expected outcomes.

An example runs on the rules of its own charter, on each action of its rule unless it
names one, on its day, against a fixture catalogue. Unless its rule is itself a permit,
everything is permitted that the charter does not refuse.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from dsl import model
from dsl.core import Constant, Effect, Program, Rule
from dsl.errors import DslError
from dsl.evaluate import Answer, Verdict, verdict
from dsl.facts import Question, fit_all
from dsl.source import Span
from dsl.tree import Expected

IMPLICIT_PERMIT = "implicit/permit"

# Entity type, id and field to raw value.
Fixtures = Mapping[str, Mapping[str, Mapping[str, object]]]


class UnknownFixtureError(DslError):
    """An example names something the fixture catalogue does not hold."""

    def __init__(self, message: str, span: Span) -> None:
        super().__init__(message)
        self.span = span


@dataclass(frozen=True)
class Case:
    """One example on one action.

    `program` is what it runs on: the charter's rules, with the implicit permit or without.
    """

    rule: str
    title: str
    action: str
    program: Program
    question: Question
    expected: Expected
    obligations: frozenset[str]
    span: Span

    @property
    def name(self) -> str:
        return f'{self.rule} "{self.title}" [{self.action}]'


def cases(checked: model.Model, program: Program, fixtures: Fixtures) -> Iterator[Case]:
    """Every example of the model, in the order of rules and text.

    Raises:
        UnknownFixtureError: An example names an entity that `fixtures` does not hold.
    """
    programs: dict[tuple[str, bool], Program] = {}
    zones = dict.fromkeys(program.time_zones(), 0)
    for rule in checked.rules:
        implicit = rule.effect is not model.Effect.PERMIT
        key = (rule.charter, implicit)
        if key not in programs:
            programs[key] = of_charter(program, rule.charter, implicit_permit=implicit)
        for example in rule.examples:
            raw = {**_entity_facts(checked, example, fixtures), **example.given}
            facts = fit_all(program.facts, raw)
            today = dict.fromkeys(zones, example.day)
            for action in example.actions:
                yield Case(
                    rule.id,
                    example.title,
                    action,
                    programs[key],
                    Question(action, facts, today),
                    example.expected,
                    frozenset(example.obligations),
                    example.span,
                )


def of_charter(program: Program, charter: str, *, implicit_permit: bool) -> Program:
    """The rules of one charter, with a rule that permits everything where asked for."""
    rules = [rule for rule in program.rules if rule.id.startswith(f"{charter}/")]
    if implicit_permit:
        rules.append(
            Rule(
                id=IMPLICIT_PERMIT,
                effect=Effect.PERMIT,
                actions=program.actions,
                formula=Constant(value=True),
                title="Everything that no rule refuses",
                citations=(),
                because="",
                remedies=(),
                exceptions=(),
                duties=(),
            )
        )
    return replace(program, rules=tuple(sorted(rules, key=lambda rule: rule.id)))


def _entity_facts(
    checked: model.Model, example: model.Example, fixtures: Fixtures
) -> dict[str, object]:
    facts: dict[str, object] = {}
    places = {place.record: place for place in checked.places}
    for record, entity_id in example.entities.items():
        known = fixtures.get(places[record].entity, {})
        if entity_id not in known:
            raise UnknownFixtureError(
                f"the fixture catalogue has no {places[record].entity} `{entity_id}`",
                example.span,
            )
        facts.update({f"{record}.{name}": raw for name, raw in known[entity_id].items()})
    return facts


def failure(case: Case, answer: Answer) -> str | None:
    """What is wrong with an answer to an example, in words; None where it holds."""
    got = verdict(answer)
    permit_rule = IMPLICIT_PERMIT not in {rule.id for rule in case.program.rules}
    denied = (Verdict.FORBIDDEN, Verdict.UNCOVERED) if permit_rule else (Verdict.FORBIDDEN,)
    wanted = {
        Expected.PERMITTED: (Verdict.PERMIT,),
        Expected.DENIED: denied,
        Expected.UNDETERMINED: (Verdict.UNDETERMINED,),
    }[case.expected]
    if got not in wanted:
        return f"expected {case.expected.value}, got {got.value}{_because(answer)}"
    if case.expected is not Expected.PERMITTED:
        return None
    duties = {d.id: d.obligation for rule in case.program.rules for d in rule.duties}
    obligations = frozenset(duties[duty] for duty in answer.duties)
    if obligations != case.obligations:
        return f"expected obligations {_listed(case.obligations)}, got {_listed(obligations)}"
    return None


def _because(answer: Answer) -> str:
    rules = answer.broken or answer.denied
    return f" by {', '.join(sorted(rules))}" if rules else ""


def _listed(names: frozenset[str]) -> str:
    return ", ".join(sorted(names)) or "none"
