"""Syntax errors in the author's words: what Lark expected, turned into one message.

Explanations are tried in order, the most certain first; the last one always has something
to say. `tests/dsl/mistakes/` has an example of each.
"""

from collections.abc import Callable

from dsl.codes import Code
from dsl.diagnostics import Diagnostic, Fix, Label, quoted
from dsl.source import SourceText
from dsl.syntax_characters import character
from dsl.syntax_citations import CITATIONS
from dsl.syntax_clauses import CLAUSES
from dsl.syntax_comparisons import LEGAL
from dsl.syntax_dates import DATES
from dsl.syntax_declarations import DECLARED
from dsl.syntax_gaps import GAPS
from dsl.syntax_habits import HABITS
from dsl.syntax_numbers import NUMBERS
from dsl.syntax_sayings import SAYINGS
from dsl.unexpected import Unexpected, choices, close, last_end
from dsl.words import KEYWORDS

__all__ = ["KEYWORDS", "Unexpected", "explain"]

Explanation = Callable[[SourceText, Unexpected], Diagnostic | None]
_EXPLANATIONS: tuple[Explanation, ...] = (
    *CITATIONS,
    *DATES,
    *NUMBERS,
    *DECLARED,
    *CLAUSES,
    *SAYINGS,
    *LEGAL,
    *HABITS,
    *GAPS,
)


def explain(source: SourceText, met: Unexpected) -> Diagnostic:
    """One diagnostic for what the parser met."""
    if met.terminal is None:
        return character(source, met)
    if met.terminal == "$END":
        return _ends_early(source, met)
    for explanation in _EXPLANATIONS:
        found = explanation(source, met)
        if found is not None:
            return found
    return _unexpected(source, met)


def _unexpected(source: SourceText, met: Unexpected) -> Diagnostic:
    span = met.span(source)
    return Diagnostic(
        Code.UNEXPECTED,
        f"{quoted(span.text)} cannot stand here",
        (Label(span),),
        help=f"write {choices(met.expected)}",
    )


def _ends_early(source: SourceText, met: Unexpected) -> Diagnostic:
    end = last_end(source, len(source.text))
    if end == 0:
        return Diagnostic(
            Code.ENDS_EARLY,
            "the file is empty",
            (Label(source.span(0, 0)),),
            help="begin with `charter` and a name, such as `charter eu.gdpr`",
        )
    bracket = close(met.expected)
    insertion = source.span(end, end)
    return Diagnostic(
        Code.ENDS_EARLY,
        "the file ends in the middle of a clause",
        (Label(source.span(end - 1, end)),),
        help=f"write {choices(met.expected - {'$END'})}",
        fix=Fix(insertion, bracket) if bracket else None,
    )
