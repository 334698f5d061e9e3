"""Stage 3, what an example expects: duties, reasons, and whether the rule could differ."""

from dataclasses import dataclass

from dsl import model, tree
from dsl.check_duties import DutyChecker
from dsl.codes import Code
from dsl.core import DutyKind
from dsl.diagnostics import Severity, quoted
from dsl.found import Found
from dsl.near import nearest
from dsl.reads import reads
from dsl.scope import Scope, each
from dsl.tree import Expected

_REFUSING = (model.Effect.FORBID, model.Effect.REQUIRE)


@dataclass(frozen=True)
class Expectation:
    """As in `model.Example`."""

    obligations: tuple[str, ...]
    advice: tuple[str, ...]
    by: tuple[str, ...] | None


class OutcomeChecker:
    """Checks what the examples of one charter expect; mistakes go to `found`."""

    def __init__(self, scope: Scope, duties: DutyChecker, found: Found) -> None:
        self._scope = scope
        self._duties = duties
        self._found = found
        self._rules = {r.name.text: r for _, r in each([scope.charter], tree.Rule)}

    def expected(self, example: tree.Example, rule: tree.Rule, effect: model.Effect) -> Expectation:
        """What an example of a rule expects besides its outcome."""
        if example.expected is Expected.PREFERRED and effect is not model.Effect.PREFER:
            self._found.report(
                Code.OUTCOME,
                f"the rule {quoted(rule.name.text)} prefers nothing",
                example.title.span,
                "write `is permitted`, `is denied` or `is undetermined`",
                note="`is preferred` goes with rules that have `prefer`",
            )
        for kind, words in (
            (DutyKind.OBLIGATION, example.obligations),
            (DutyKind.ADVICE, example.advice),
        ):
            for word in words:
                self._duties.declared(word, kind, None)
        by = [self._reason(word, rule, example.expected) for word in example.by]
        return Expectation(
            tuple(sorted({word.text for word in example.obligations})),
            tuple(sorted({word.text for word in example.advice})),
            tuple(sorted({one for one in by if one is not None})) if example.by else None,
        )

    # --- reasons ---

    def _reason(self, word: tree.Word, rule: tree.Rule, expected: Expected) -> str | None:
        """The id of the rule or exception that an example names after `by`."""
        permits = expected is Expected.PERMITTED
        reasons = self._grounds(rule) if permits else self._refusals()
        ids = reasons.get(word.text, [])
        if len(ids) == 1:
            return ids[0]
        if ids:
            self._found.report(
                Code.OUTCOME,
                f"{quoted(word.text)} is an exception of several rules",
                word.span,
                "rename one of them, so that it is clear which is meant",
            )
        else:
            self._no_reason(word, reasons, permits=permits)
        return None

    def _no_reason(self, word: tree.Word, reasons: dict[str, list[str]], *, permits: bool) -> None:
        what = "permits" if permits else "refuses"
        if word.text in self._rules:
            self._found.report(
                Code.OUTCOME,
                f"the rule {quoted(word.text)} {what} nothing",
                word.span,
                f"name {'an exception or a rule that permits' if permits else 'a rule'}"
                f"{'' if permits else ' that refuses, or one that permits with conditions'}",
            )
            return
        known = "rule or exception" if permits else "rule"
        guess = nearest(word.text, reasons)
        self._found.unknown(
            Code.UNKNOWN_NAME,
            known,
            word,
            [guess] if guess else [],
            help_="name one of this charter, or leave `by` out",
        )

    def _grounds(self, rule: tree.Rule) -> dict[str, list[str]]:
        """Permitting rules and exceptions, by short name; those of the rule itself win."""
        found: dict[str, list[str]] = {}
        for name, other in self._rules.items():
            for exception in other.exceptions:
                found.setdefault(exception.name.text, []).append(
                    self._id(name, exception.name.text)
                )
        for exception in rule.exceptions:
            name = exception.name.text
            found[name] = [self._id(rule.name.text, name)]
        for name, other in self._rules.items():
            if any(isinstance(clause, tree.Permit) for clause in other.clauses):
                found[name] = [self._id(name)]
        return found

    def _refusals(self) -> dict[str, list[str]]:
        kinds = (tree.Permit, tree.Forbid, tree.Require)
        return {
            name: [self._id(name)]
            for name, rule in self._rules.items()
            if any(isinstance(clause, kinds) for clause in rule.clauses)
        }

    def _id(self, *names: str) -> str:
        return "/".join([self._scope.charter.name.text, *names])

    # --- examples that show too little ---

    def check_sides(self, rule: tree.Rule, made: model.Rule) -> None:
        """Warn of a rule whose examples show only one side of it."""
        outcomes = {example.expected for example in made.examples}
        name = quoted(rule.name.text)
        if Expected.PERMITTED not in outcomes:
            what = "leaves as it is" if made.effect is model.Effect.PREFER else "lets through"
            self._found.report(
                Code.NO_PERMITTING_EXAMPLE,
                f"no example shows what the rule {name} {what}",
                rule.name.span,
                "write an example that `is permitted`",
                severity=Severity.WARNING,
            )
        if made.effect is model.Effect.OBLIGE:
            return
        wanted, verb = Expected.DENIED, "refuses"
        if made.effect is model.Effect.PREFER:
            wanted, verb = Expected.PREFERRED, "prefers"
        if wanted not in outcomes:
            self._found.report(
                Code.NO_DENYING_EXAMPLE,
                f"no example shows what the rule {name} {verb}",
                rule.name.span,
                f"write an example that `is {wanted.value}`",
                severity=Severity.WARNING,
            )

    def check_facts_given(self, rule: tree.Rule, made: model.Rule) -> None:
        """Warn of examples that would come out the same whatever the rule said: none of the
        facts it reads is given, and what is expected is what follows from nothing."""
        read = reads(made)
        # What a derived fact is made of lies in a record, perhaps another one.
        if not read or read & self._scope.derived:
            return
        for example in made.examples:
            # A fact that is said to be unknown is one that the author thought of.
            records = {path.partition(".")[0] for path in read}
            if example.given.keys() & read or records & example.entities.keys():
                continue
            if not _follows_from_nothing(made, example):
                continue
            self._found.report(
                Code.CANNOT_FAIL,
                f"this example gives nothing that the rule {quoted(rule.name.text)} reads, so "
                "it comes out the same whatever the rule says",
                example.span,
                f"give {' or '.join(f'`{path}`' for path in sorted(read)[:3])}",
                severity=Severity.WARNING,
            )


def _follows_from_nothing(made: model.Rule, example: model.Example) -> bool:
    if example.obligations or example.advice or example.by is not None:
        return False
    if example.expected is Expected.UNDETERMINED:
        return True
    return example.expected is Expected.PERMITTED and made.effect in (
        *_REFUSING,
        model.Effect.PREFER,
    )
