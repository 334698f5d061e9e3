"""Stage 3, conditions on dates and on the clock: tree → model."""

from dsl import model, tree
from dsl.codes import Code
from dsl.core import FactType, InForce
from dsl.diagnostics import quoted
from dsl.found import Found
from dsl.quantities import QuantityReader
from dsl.scope import Scope, day_number
from dsl.tree import Relation

TODAY = "today"


class DateChecker:
    """Checks tests of dates of one charter; mistakes go to `found`."""

    def __init__(self, scope: Scope, found: Found) -> None:
        self._time_zone = scope.time_zone
        self._found = found
        self._quantities = QuantityReader(found)

    def test(self, test: tree.Test, fact: FactType) -> model.Test | None:
        """A test of a DAY fact whose relation goes with dates."""
        clock = self._time_zone
        match test.operand:
            case tree.Day() as day:
                return model.Test(fact, test.relation, bound=day_number(day))
            case tree.Today(offset, minus):
                days = 0 if offset is None else self._quantities.days(offset, of=test.path.text)
                if days is None:
                    return None
                bound = -days if minus else days
                return model.Test(fact, test.relation, bound=bound, clock=clock)
            case tree.Number() as number if test.relation in (Relation.LAST, Relation.NEXT):
                days = self._quantities.days(number, of=test.path.text)
                if days is None:
                    return None
                return model.Test(fact, test.relation, clock=clock, days=days)
            case _:
                self._no_date(test, fact)
                return None

    def _no_date(self, test: tree.Test, fact: FactType) -> None:
        span = test.operand.span if test.operand is not None else test.span
        self._found.report(
            Code.TYPE_MISMATCH,
            f"{quoted(fact.path)} is a date, and {quoted(span.text)} is none",
            span,
            "write a day such as `2027-01-12`, or `today` plus or minus days",
        )

    def today(self, test: tree.Test) -> model.Condition | None:
        """`today` compared with a day."""
        if not isinstance(test.operand, tree.Day):
            span = test.operand.span if test.operand is not None else test.span
            self._found.report(
                Code.TYPE_MISMATCH,
                f"`today` is compared with a day, and {quoted(span.text)} is none",
                span,
                "write a day such as `2027-01-12`",
            )
            return None
        day = day_number(test.operand)
        assert day is not None  # noqa: S101 - a day has a number
        first, last = {
            Relation.BEFORE: (None, day - 1),
            Relation.ON_OR_BEFORE: (None, day),
            Relation.AFTER: (day + 1, None),
            Relation.ON_OR_AFTER: (day, None),
        }.get(test.relation, (day, day))
        made = model.Today(InForce(self._time_zone, first, last))
        return model.Not(made) if test.relation is Relation.IS_NOT else made
