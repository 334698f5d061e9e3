"""Stage 3, `oblige` and `advise`: tree → model, with parameters and deadlines."""

from collections.abc import Iterable

from dsl import model, tree
from dsl.check_condition import ConditionChecker
from dsl.codes import Code
from dsl.core import DutyKind, FactType, Kind, ParameterValue
from dsl.diagnostics import Fix, quoted
from dsl.facts import wire_value
from dsl.found import Found
from dsl.near import nearest
from dsl.quantities import QuantityReader
from dsl.scope import DutyType, Scope, day_number
from dsl.source import Span

_NAMES = {DutyKind.OBLIGATION: "obligation", DutyKind.ADVICE: "advice"}
_VERBS = {DutyKind.OBLIGATION: "oblige", DutyKind.ADVICE: "advise"}


class DutyChecker:
    """Checks the duties of one charter; mistakes go to `found`."""

    def __init__(self, scope: Scope, conditions: ConditionChecker, found: Found) -> None:
        self._scope = scope
        self._conditions = conditions
        self._found = found
        self._quantities = QuantityReader(found)

    def duties(self, clauses: Iterable[tree.RuleClause]) -> tuple[model.Oblige, ...]:
        """The duties and the advice among the clauses of a rule or an exception."""
        duties = [clause for clause in clauses if isinstance(clause, tree.Oblige)]
        # One duty of a rule or of an exception has one name in the program.
        self._found.twice("obligation", [o.obligation for o in duties], verb="listed")
        made = [self._duty(duty) for duty in duties]
        return tuple(duty for duty in made if duty is not None)

    def _duty(self, clause: tree.Oblige) -> model.Oblige | None:
        kind = DutyKind.ADVICE if clause.advises else DutyKind.OBLIGATION
        declared = self.declared(clause.obligation, kind, clause.span)
        if declared is None:
            return None
        before = self._found.errors
        due = None if clause.due is None else self._quantities.due(clause.due)
        if declared.has_deadline and clause.due is None:
            end = clause.span.end
            self._found.report(
                Code.NO_DEADLINE,
                f"the obligation {quoted(clause.obligation.text)} has a deadline, and this "
                "does not say which",
                clause.obligation.span,
                "add `within` and a time, such as `within 72 hours`",
                fix=Fix(Span(clause.span.source, end, end), " within 72 hours"),
            )
        parameters = self._parameters(clause, declared)
        if self._found.errors > before:
            return None
        return model.Oblige(clause.obligation.text, declared.title, due, kind, parameters)

    def declared(self, word: tree.Word, kind: DutyKind, clause: Span | None) -> DutyType | None:
        """The declared duty of that name and kind. `clause` begins with the verb that says
        the kind, where there is one."""
        duty = self._scope.duties.get(word.text)
        if duty is not None and duty.kind is kind:
            return duty
        name = _NAMES[kind]
        if duty is None:
            known = self._scope.obligations if kind is DutyKind.OBLIGATION else self._scope.advice
            self._found.unknown(Code.UNKNOWN_NAME, name, word, known)
            return None
        meant = _VERBS[duty.kind]
        other = "advised" if duty.kind is DutyKind.ADVICE else "with"
        help_, fix = f"name it after `{other}`", None
        if clause is not None:
            end = clause.start + len(_VERBS[kind])
            help_, fix = f"write `{meant}`", Fix(Span(clause.source, clause.start, end), meant)
        self._found.report(
            Code.TYPE_MISMATCH,
            f"{quoted(word.text)} is {_a(duty.kind)}, and {_a(kind)} goes here",
            word.span,
            help_,
            fix=fix,
        )
        return None

    # --- parameters ---

    def _parameters(
        self, clause: tree.Oblige, declared: DutyType
    ) -> tuple[tuple[str, ParameterValue], ...]:
        self._found.twice("parameter", [p.name for p in clause.parameters], verb="given")
        made: dict[str, ParameterValue] = {}
        unknown = [p for p in clause.parameters if p.name.text not in declared.parameters]
        for parameter in clause.parameters:
            fact = declared.parameters.get(parameter.name.text)
            if fact is None:
                self._unknown(parameter, clause, declared)
                continue
            value = self._value(parameter.value, fact)
            if value is not None:
                made[fact.path] = value
        given = {parameter.name.text for parameter in clause.parameters}
        missing = [name for name in declared.parameters if name not in given]
        # A misspelt parameter is one mistake, not one too many and one missing.
        if len(missing) > len(unknown):
            self._missing(clause, declared, missing)
        return tuple(sorted(made.items()))

    def _unknown(self, parameter: tree.Parameter, clause: tree.Oblige, declared: DutyType) -> None:
        name, duty = parameter.name, quoted(clause.obligation.text)
        known = declared.parameters
        guess = nearest(name.text, known)
        shown = ", ".join(f"`{one}`" for one in known)
        self._found.report(
            Code.PARAMETER,
            f"{duty} has no parameter {quoted(name.text)}",
            name.span,
            f"write `{guess}`"
            if guess
            else f"its parameters are {shown}"
            if known
            else "remove it, or declare it with `field` below the obligation",
            fix=Fix(name.span, guess) if guess else None,
        )

    def _missing(self, clause: tree.Oblige, declared: DutyType, missing: list[str]) -> None:
        shown = " and ".join(quoted(name) for name in missing)
        added = ", ".join(f"{name} = {_sample(declared.parameters[name])}" for name in missing)
        word = "," if clause.parameters else " with"
        self._found.report(
            Code.PARAMETER,
            f"{quoted(clause.obligation.text)} is without its parameter{'s' * (len(missing) > 1)} "
            f"{shown}",
            clause.obligation.span,
            f"add `{word.strip()} {added}`, with the value that is meant",
        )

    def _value(self, literal: tree.Literal, fact: FactType) -> ParameterValue | None:
        """The value as it goes out on the wire, or None where it is reported."""
        match fact.kind, literal:
            case Kind.TRUTH, tree.YesNo(answer):
                return answer
            case Kind.TRUTH, _:
                self._conditions.not_yes_or_no(literal.span, fact)
                return None
            case Kind.INTEGER, _:
                steps = self._quantities.number(literal, fact, bare=True)
                made = None if steps is None else wire_value(fact, steps)
                return made if isinstance(made, int | str) else None
            case Kind.DAY, tree.Day() as day:
                number = day_number(day)
                return None if number is None else str(wire_value(fact, number))
            case Kind.DAY, _:
                self._found.report(
                    Code.TYPE_MISMATCH,
                    f"{quoted(fact.path)} is a date, and {quoted(literal.span.text)} is none",
                    literal.span,
                    "write a day such as `2027-01-12`",
                )
                return None
            case _:
                return self._conditions.value(literal, fact)


def _a(kind: DutyKind) -> str:
    return "an obligation" if kind is DutyKind.OBLIGATION else "advice"


def _sample(fact: FactType) -> str:
    """A value that a parameter could have."""
    match fact.kind:
        case Kind.TRUTH:
            return "yes"
        case Kind.INTEGER:
            return f"2 {fact.unit}"
        case Kind.DAY:
            return "2027-01-12"
        case _:
            return fact.values[0] if fact.values else "name"
