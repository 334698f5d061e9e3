"""Stage 3, clauses that rules and exceptions share: tree → model."""

from collections.abc import Iterable
from typing import TypeVar

from dsl import tree
from dsl.codes import Code
from dsl.core import Citation, InForce
from dsl.diagnostics import Label, quoted
from dsl.found import Found
from dsl.scope import Scope
from dsl.scope import in_force as _period

C = TypeVar("C", bound=tree.RuleClause)


class ClauseChecker:
    """Checks clauses of one charter; mistakes go to `found`."""

    def __init__(self, scope: Scope, found: Found) -> None:
        self._scope = scope
        self._found = found

    def one(self, clauses: Iterable[tree.RuleClause], kind: type[C]) -> C | None:
        """The only clause of a kind; a second one is reported."""
        found = [clause for clause in clauses if isinstance(clause, kind)]
        for clause in found[1:]:
            word = _word(clause)
            self._found.report(
                Code.REPEATED_CLAUSE,
                f"`{word}` is written twice",
                clause.span,
                "join the two, or make a rule of each",
                Label(found[0].span, "first written here"),
            )
        return found[0] if found else None

    def in_force(self, clauses: Iterable[tree.RuleClause]) -> InForce:
        clause = self.one(clauses, tree.InForce)
        period = clause.period if clause else tree.Period(None, None)
        return _period(period, self._scope.time_zone, self._found)

    def citations(
        self, what: str, owner: tree.Word, clauses: Iterable[tree.RuleClause]
    ) -> tuple[Citation, ...]:
        """The citations of a rule or an exception, which must have one."""
        cites = [clause for clause in clauses if isinstance(clause, tree.Cites)]
        if not cites:
            self._found.report(
                Code.NO_CITATION,
                f"the {what} {quoted(owner.text)} cites no law",
                owner.span,
                "write `cites`, the law and the place in it, such as `cites GDPR art 44`",
            )
        return self.cited(cites)

    def cited(self, cites: Iterable[tree.Cites]) -> tuple[Citation, ...]:
        made: list[Citation] = []
        for clause in cites:
            law = self._scope.laws.get(clause.law.text)
            if law is None:
                self._found.unknown(Code.UNKNOWN_LAW, "law", clause.law, self._scope.laws)
                continue
            celex = law.celex.text if law.celex else None
            url = law.url.text if law.url else _eur_lex(celex)
            made.append(Citation(law.name.text, law.title.text, clause.locator.text, celex, url))
        return tuple(made)


def _word(clause: tree.RuleClause) -> str:
    return "in force" if isinstance(clause, tree.InForce) else clause.span.text.split()[0]


def _eur_lex(celex: str | None) -> str | None:
    # The Publications Office resolves CELEX numbers in this form.
    return f"https://eur-lex.europa.eu/legal-content/EN/TXT/?uri=CELEX:{celex}" if celex else None
