"""Inline examples as questions with expected outcomes.

An example runs on the rules of its own charter, on each action of its rule unless it
names one, on its day, against a fixture catalogue. Unless its rule is itself a permit,
everything is permitted that the charter does not refuse. Every rule counts as enforced,
and no profile: an example shows what a charter says, not where it is in force.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from dsl import model
from dsl.core import Constant, DutyKind, Effect, Level, Program, Rule
from dsl.derive import derive
from dsl.errors import DslError
from dsl.evaluate import Answer, Verdict, truth, verdict
from dsl.facts import Elements, Question, Value, fit_all, fit_list
from dsl.fold import without_profiles
from dsl.kleene import certainly
from dsl.residual import missing
from dsl.source import Span
from dsl.tree import Expected

IMPLICIT_PERMIT = "implicit/permit"

# Entity type, id and field to raw value. A key of a map is a field, `seal[SOV-2]`.
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
    `by` holds the ids of the only rules and exceptions that may be the reason; None where
    any may be.
    """

    rule: str
    effect: model.Effect
    title: str
    action: str
    program: Program
    question: Question
    expected: Expected
    obligations: frozenset[str]
    advice: frozenset[str]
    by: frozenset[str] | None
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
    zones = program.time_zones()
    bare = _without_profiles(checked, program)
    for rule in checked.rules:
        implicit = rule.effect is not model.Effect.PERMIT
        key = (rule.charter, implicit)
        if key not in programs:
            programs[key] = of_charter(bare, rule.charter, implicit_permit=implicit)
        for example in rule.examples:
            today = dict.fromkeys(zones, example.day)
            facts = _facts(checked, program, example, fixtures, today)
            for action in example.actions:
                yield Case(
                    rule.id,
                    rule.effect,
                    example.title,
                    action,
                    programs[key],
                    Question(action, facts, today),
                    example.expected,
                    frozenset(example.obligations),
                    frozenset(example.advice),
                    None if example.by is None else frozenset(example.by),
                    example.span,
                )


# --- programs ------------------------------------------------------------------------


def _without_profiles(checked: model.Model, program: Program) -> Program:
    """What the charters say by themselves, without what profiles permit beside them."""
    permits = {permit.id for permit in checked.permits}
    rules = tuple(rule for rule in program.rules if rule.id not in permits)
    return without_profiles(replace(program, rules=rules))


def of_charter(program: Program, charter: str, *, implicit_permit: bool) -> Program:
    """The rules of one charter, all enforced, with a rule that permits everything where
    asked for."""
    own = (rule for rule in program.rules if rule.id.startswith(f"{charter}/"))
    rules = [replace(rule, level=Level.ENFORCE) for rule in own]
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
    return replace(program, rules=tuple(sorted(rules, key=lambda rule: rule.id)), invariants=())


# --- facts ---------------------------------------------------------------------------


def _facts(
    checked: model.Model,
    program: Program,
    example: model.Example,
    fixtures: Fixtures,
    today: Mapping[str, int],
) -> dict[str, Value]:
    """What is known in an example; what it states itself counts before the catalogue and
    before what is derived, and all of that before what the charter assumes."""
    assumed = example.assumed
    # Of an assumed place nothing counts where the example names another.
    places = {r: name for r, name in assumed.entities.items() if r not in example.entities}
    raw = {
        **_entity_facts(checked, places, example.span, fixtures),
        **assumed.given,
        **_entity_facts(checked, example.entities, example.span, fixtures),
        **example.given,
    }
    stated = fit_all(program.facts, raw)
    elements = {
        path: fit_list(program.lists[path], raw[path]) for path in program.lists if path in raw
    }
    lists: dict[str, Elements] = {path: e for path, e in elements.items() if e is not None}
    derived = derive(program, stated, lists, today)
    own = {path: value for path, value in stated.items() if path in example.given}
    return {**stated, **{p: v for p, v in derived.items() if p not in example.given}, **own}


def _entity_facts(
    checked: model.Model, entities: Mapping[str, str], span: Span, fixtures: Fixtures
) -> dict[str, object]:
    facts: dict[str, object] = {}
    places = {place.record: place for place in checked.places}
    for record, entity_id in entities.items():
        known = fixtures.get(places[record].entity, {})
        if entity_id not in known:
            raise UnknownFixtureError(
                f"the fixture catalogue has no {places[record].entity} `{entity_id}`",
                span,
            )
        facts.update({f"{record}.{name}": raw for name, raw in known[entity_id].items()})
    return facts


# --- outcomes ------------------------------------------------------------------------


def failure(case: Case, answer: Answer) -> str | None:
    """What is wrong with an answer to an example, in words; None where it holds."""
    got = verdict(answer)
    permit_rule = case.effect is model.Effect.PERMIT
    denied = (Verdict.FORBIDDEN, Verdict.UNCOVERED) if permit_rule else (Verdict.FORBIDDEN,)
    wanted = {
        Expected.PERMITTED: (Verdict.PERMIT,),
        Expected.PREFERRED: (Verdict.PERMIT,),
        Expected.DENIED: denied,
        Expected.UNDETERMINED: (Verdict.UNDETERMINED,),
    }[case.expected]
    if got not in wanted:
        told = f"{got.value}{_because(answer)}{_not_known(case, answer)}"
        return f"expected {case.expected.value}, got {told}"
    reasons = _reasons(case, answer)
    if case.by is not None and reasons != case.by:
        return f"expected {case.expected.value} by {_listed(case.by)}, got by {_listed(reasons)}"
    return _wrong_with_permit(case, answer) if got is Verdict.PERMIT else None


def _wrong_with_permit(case: Case, answer: Answer) -> str | None:
    for kind, expected in (
        (DutyKind.OBLIGATION, case.obligations),
        (DutyKind.ADVICE, case.advice),
    ):
        duties = (duty for rule in case.program.rules for duty in rule.duties)
        due = frozenset(d.obligation for d in duties if d.id in answer.duties and d.kind is kind)
        # `is preferred` says nothing of duties.
        if due != expected and case.expected is not Expected.PREFERRED:
            what = "obligations" if kind is DutyKind.OBLIGATION else "advice"
            return f"expected {what} {_listed(expected)}, got {_listed(due)}"
    if case.effect is model.Effect.PREFER or case.expected is Expected.PREFERRED:
        is_preferred = case.rule in answer.preferred
        if is_preferred is not (case.expected is Expected.PREFERRED):
            return f"expected {case.expected.value}, got {_preference(preferred=is_preferred)}"
    return None


def _reasons(case: Case, answer: Answer) -> frozenset[str]:
    """The ids of the rules that refuse or leave it open, or of what a permit rests on."""
    if answer.permits:
        saving = (
            note.id
            for rule in case.program.rules
            if rule.effect is Effect.FORBID and case.action in rule.actions
            for note in rule.exceptions
            if certainly(truth(note.condition, case.question))
        )
        return (answer.granted | frozenset(saving)) - {IMPLICIT_PERMIT}
    return answer.broken or answer.denied or answer.open


def _preference(*, preferred: bool) -> str:
    return "preferred" if preferred else "permitted without preference"


def _because(answer: Answer) -> str:
    rules = answer.broken or answer.denied
    return f" by {', '.join(sorted(rules))}" if rules else ""


def _not_known(case: Case, answer: Answer) -> str:
    """The facts that would decide, where an answer is open for want of them."""
    if verdict(answer) is not Verdict.UNDETERMINED:
        return ""
    unsettled = answer.denied | answer.open
    rules = (rule for rule in case.program.rules if rule.id in unsettled)
    paths = frozenset[str]().union(*(missing(rule.formula, case.question) for rule in rules))
    return f"; not known: {_listed(paths)}" if paths else ""


def _listed(names: frozenset[str]) -> str:
    return ", ".join(sorted(names)) or "none"
