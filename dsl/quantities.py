"""Numbers with units, as an author writes them, in the steps that a fact counts.

Exact or refused: nothing is rounded on the way.
"""

import re

from dsl import tree
from dsl.codes import Code
from dsl.core import Due, DueUnit, FactType
from dsl.diagnostics import Fix, quoted
from dsl.facts import MAX_INTEGER
from dsl.found import Found
from dsl.units import SPOKEN_BARE, UNITS, Unit, convert

# A century: beyond it a date or a deadline is a slip of the pen.
MAX_DAYS = 36_500
MAX_MONTHS = 1_200
MAX_MINUTES = MAX_DAYS * 24 * 60
# Counts whose unit may be left out where a parameter of a duty is given.
_COUNTS = ("items", "points")

_DAYS, _MINUTES, _MONTHS = UNITS["days"], UNITS["minutes"], UNITS["months"]
_DUE = {
    "seconds": (DueUnit.MINUTES, _MINUTES, MAX_MINUTES),
    "minutes": (DueUnit.MINUTES, _MINUTES, MAX_MINUTES),
    "hours": (DueUnit.MINUTES, _MINUTES, MAX_MINUTES),
    "days": (DueUnit.DAYS, _DAYS, MAX_DAYS),
    "weeks": (DueUnit.DAYS, _DAYS, MAX_DAYS),
    "months": (DueUnit.MONTHS, _MONTHS, MAX_MONTHS),
    "years": (DueUnit.MONTHS, _MONTHS, MAX_MONTHS),
}


# As thousands are divided in German.
_THOUSANDS = 3
_GROUPED = re.compile(r"([1-9][0-9]{0,2})\.([0-9]{3})(?![0-9])")


class QuantityReader:
    """Converts numbers; what cannot be converted is reported."""

    def __init__(self, found: Found) -> None:
        self._found = found

    def number(self, operand: object, fact: FactType, *, bare: bool = False) -> int | None:
        """The literal in steps of the fact, or None where it is reported. `bare` allows a
        count without its unit; a version needs none anywhere."""
        if not isinstance(operand, tree.Number):
            self._no_number(operand, fact)
            return None
        own = UNITS[fact.unit or "items"]
        unit = UNITS.get(operand.unit) if operand.unit else None
        may_be_bare = own.name in SPOKEN_BARE or (bare and own.name in _COUNTS)
        if unit is None and not operand.unit and may_be_bare:
            unit = own
        if unit is None or unit.dimension != own.dimension:
            self._wrong_unit(operand, unit, fact)
            return None
        steps = convert(operand.value, operand.decimals, unit, own, fact.scale)
        if steps is None:
            self._not_exact(operand, unit, own, fact)
            return None
        grouped = _GROUPED.match(operand.span.text) if fact.scale < _THOUSANDS else None
        if grouped is not None:
            self._two_readings(operand, grouped[1], grouped[2])
            return None
        return steps if self._in_range(steps, operand, fact) else None

    def _no_number(self, operand: object, fact: FactType) -> None:
        if isinstance(operand, tree.Word | tree.YesNo | tree.ValueSet | tree.Day | tree.Today):
            self._found.report(
                Code.TYPE_MISMATCH,
                f"{quoted(fact.path)} is a number of {fact.unit}, and "
                f"{quoted(operand.span.words)} is no number",
                operand.span,
                f"write a number with its unit, such as `30 {fact.unit}`",
            )

    def _wrong_unit(self, number: tree.Number, unit: Unit | None, fact: FactType) -> None:
        written = f"{number.span.text} {fact.unit}"
        what = f"counts {unit.name}" if unit else "has no unit"
        help_ = f"write a number of {fact.unit}" if unit else f"write `{written}`"
        note = None
        if unit and unit.dimension == "calendar":
            note = "months and years have no fixed number of days"
        self._found.report(
            Code.UNIT_MISMATCH,
            f"{quoted(number.span.words)} {what}, but {quoted(fact.path)} counts {fact.unit}",
            number.span,
            help_,
            note=note,
            fix=Fix(number.span, written) if unit is None and number.unit is None else None,
        )

    def _not_exact(self, number: tree.Number, unit: Unit, own: Unit, fact: FactType) -> None:
        if unit == own:
            has = f"{fact.scale} decimal{'' if fact.scale == 1 else 's'}" if fact.scale else "none"
            self._found.report(
                Code.NOT_EXACT,
                f"{quoted(number.span.words)} has {number.decimals} "
                f"decimal{'' if number.decimals == 1 else 's'}, but {quoted(fact.path)} has {has}",
                number.span,
                "write a number with fewer decimals, or give the field more with `with … decimals`",
                note="a bound is never rounded",
            )
            return
        self._found.report(
            Code.NOT_EXACT,
            f"{quoted(number.span.words)} is no whole number of {_steps(own, fact)}",
            number.span,
            f"write the bound in {own.name}",
            note=f"{quoted(fact.path)} counts {_steps(own, fact)}, and a bound is never rounded",
        )

    def _two_readings(self, number: tree.Number, whole: str, decimals: str) -> None:
        """`1.000 eur`, in a fact that has no such decimals."""
        unit = number.span.text.removeprefix(f"{whole}.{decimals}")
        exact = f"{whole}.{decimals}".rstrip("0").rstrip(".")
        self._found.report(
            Code.NOT_EXACT,
            f"{quoted(number.span.words)} can be read in two ways",
            number.span,
            f"write `{whole} {decimals}{unit}` or `{exact}{unit}`",
            note="a point divides thousands in some languages, and decimals here",
        )

    def _in_range(self, steps: int, number: tree.Number, fact: FactType) -> bool:
        if abs(steps) > MAX_INTEGER:
            largest = MAX_INTEGER // 10**fact.scale
            size = "larger" if steps > 0 else "smaller"
            self._found.report(
                Code.NUMBER_RANGE,
                f"{quoted(number.span.words)} is {size} than any number a fact can have",
                number.span,
                f"write a number of at {'most' if steps > 0 else 'least'} "
                f"{'' if steps > 0 else '-'}{largest}" + (f" {fact.unit}" if fact.scale else ""),
            )
            return False
        if steps < 0 and not fact.may_be_negative:
            self._found.report(
                Code.NUMBER_RANGE,
                f"{quoted(fact.path)} is never below zero",
                number.span,
                "write a number of zero or more, or declare the field with `or negative`",
            )
            return False
        return True

    # --- spans of time ---

    def days(self, number: tree.Number, *, of: str) -> int | None:
        """The days of a date test; `of` is the path it asks about."""
        unit = UNITS.get(number.unit or "")
        if unit is not None and unit.name in ("days", "weeks"):
            made = convert(number.value, number.decimals, unit, _DAYS, 0)
            return self._bounded(number, made, MAX_DAYS, "days")
        if unit is not None and unit.dimension == "calendar":
            self._found.report(
                Code.DATE_UNIT,
                f"{quoted(number.span.words)} are no fixed number of days",
                number.span,
                f"write days or weeks, or derive the date with "
                f"`as {of} plus {number.span.text}`, and ask for that",
                note="months and years are added in derived dates only, where it is clear how",
            )
            return None
        self._no_days(number)
        return None

    def _no_days(self, number: tree.Number) -> None:
        written = f"{number.span.text} days"
        self._found.report(
            Code.DATE_UNIT,
            f"{quoted(number.span.words)} is no number of days",
            number.span,
            "write a number of days or weeks" if number.unit else f"write `{written}`",
            fix=None if number.unit else Fix(number.span, written),
        )

    def shift(self, number: tree.Number) -> tuple[int, int] | None:
        """Months and days by which a date is moved."""
        unit = UNITS.get(number.unit or "")
        if unit is None or (unit.dimension != "calendar" and unit.name not in ("days", "weeks")):
            self._found.report(
                Code.DATE_UNIT,
                f"a date cannot be moved by {quoted(number.span.words)}",
                number.span,
                "write a number of days, weeks, months or years",
            )
            return None
        to, most = (_MONTHS, MAX_MONTHS) if unit.dimension == "calendar" else (_DAYS, MAX_DAYS)
        made = convert(number.value, number.decimals, unit, to, 0)
        made = self._bounded(number, made, most, to.name)
        if made is None:
            return None
        return (made, 0) if to is _MONTHS else (0, made)

    def due(self, number: tree.Number) -> Due | None:
        """A deadline, counted from the decision."""
        unit = UNITS.get(number.unit or "")
        if unit is None or unit.name not in _DUE:
            self._found.report(
                Code.UNIT_MISMATCH,
                f"{quoted(number.span.words)} is no time in which to do something",
                number.span,
                "write minutes, hours, days, weeks, months or years, such as `within 14 days`",
            )
            return None
        kind, to, most = _DUE[unit.name]
        made = convert(number.value, number.decimals, unit, to, 0)
        made = self._bounded(number, made, most, to.name, what="longer than a duty can wait")
        return None if made is None else Due(made, kind)

    def _bounded(
        self,
        number: tree.Number,
        made: int | None,
        most: int,
        unit: str,
        what: str = "further away than a hundred years",
    ) -> int | None:
        if made is None:
            self._found.report(
                Code.NOT_EXACT,
                f"{quoted(number.span.words)} is no whole number of {unit}",
                number.span,
                f"write a whole number of {unit}",
            )
            return None
        if abs(made) > most:
            self._found.report(
                Code.NUMBER_RANGE,
                f"{quoted(number.span.words)} is {what}",
                number.span,
                f"write a number of at most {most} {unit}",
            )
            return None
        if made < 0:
            self._found.report(
                Code.NUMBER_RANGE,
                f"{quoted(number.span.words)} is a time below zero",
                number.span,
                "write a number of zero or more",
            )
            return None
        return made


def _steps(unit: Unit, fact: FactType) -> str:
    return f"{10**fact.scale}ths of {unit.name}" if fact.scale else unit.name
